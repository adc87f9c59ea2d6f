"""bundled() finds the folders of pages and of the built client."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from imtornado import paths


def test_in_a_checkout_the_folders_lie_beside_the_package() -> None:
    root = Path(__file__).resolve().parents[1]
    assert paths.bundled("templates") == root / "templates"
    assert paths.bundled("static") == root / "static"


def test_an_installed_package_takes_its_own_and_not_a_strangers(tmp_path: Path) -> None:
    site = tmp_path / "site-packages"
    (site / "imtornado" / "static").mkdir(parents=True)
    (site / "static").mkdir()
    for name in ("__init__.py", "paths.py"):
        shutil.copy(Path(paths.__file__).parent / name, site / "imtornado" / name)
    script = "from imtornado import paths; print(paths.bundled('static'))"
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=site, capture_output=True, text=True, check=True, timeout=100
    )
    assert done.stdout.strip() == str(site / "imtornado" / "static")


def test_an_incomplete_installation_says_what_is_missing() -> None:
    with pytest.raises(FileNotFoundError, match="no-such-folder"):
        paths.bundled("no-such-folder")
