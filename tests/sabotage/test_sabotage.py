"""Would the tests notice? Each patch of this folder breaks one promise in our code, and names the test that must fail.

Always: every patch still fits the code, and the test that it names is there. With `make test-faults` each is applied to
a copy of the tree, and its test is run with it (must fail) and without (must pass).
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.sabotage.patches import PATCHES, ROOT, Patch, names_in

COPIED = ("imtornado", "handlers", "storage", "templates", "static", "resource", "tests", "web/build_backend")
FILES = ("setup.cfg", "pyproject.toml", "config.example.ini", "README.md")
FAILED = 1  # pytest's status for tests that ran and failed; others mean that they did not run


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of what the tests run on."""
    folder = tmp_path_factory.mktemp("tree")
    for name in COPIED:
        if (ROOT / name).exists():
            shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__", "node_modules"))
    for name in FILES:
        shutil.copy(ROOT / name, folder / name)
    return folder


def run(tree: Path, *tests: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("IMTORNADO_", "PYTEST_"))}
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "--tb=line", *tests],
        cwd=tree,
        env=environment | {"PYTHONPATH": str(tree), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )


def test_there_are_enough_of_them() -> None:
    assert len(PATCHES) >= 14
    assert len({patch.breaks for patch in PATCHES}) == len(PATCHES)


@pytest.mark.parametrize("patch", PATCHES, ids=lambda patch: patch.name)
def test_a_patch_fits_the_code_and_its_test_exists(patch: Patch) -> None:
    assert patch.files
    for path, text in patch.applied(ROOT).items():
        assert text != (ROOT / path).read_text(encoding="utf-8")
        compile(text, path, "exec")  # broken in what it does, not in how it reads
    assert patch.test_name in names_in(ROOT / patch.test_file)


@pytest.mark.long
@pytest.mark.timeout(900)
def test_without_a_patch_all_of_them_pass(tree: Path) -> None:
    result = run(tree, *sorted({patch.test for patch in PATCHES}))
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.long
@pytest.mark.timeout(900)
@pytest.mark.parametrize("patch", PATCHES, ids=lambda patch: patch.name)
def test_a_patch_is_noticed(tree: Path, patch: Patch) -> None:
    for path, text in patch.applied(ROOT).items():
        (tree / path).write_text(text, encoding="utf-8")
    try:
        result = run(tree, patch.test)
    finally:
        for path in patch.files:
            shutil.copy(ROOT / path, tree / path)
    assert result.returncode == FAILED, f"nobody noticed: {patch.breaks}\n{result.stdout}{result.stderr}"
