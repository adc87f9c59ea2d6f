"""What an installation gets: built as a user builds it, installed where nothing of this checkout is in reach."""

import configparser
import importlib.util
import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
import venv
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

import imtornado

ROOT = Path(__file__).resolve().parents[1]
# Not part of the sources, and heavy.
LEFT_OUT = shutil.ignore_patterns(
    ".git", ".venv*", "node_modules", "build", "dist", "data", "*.egg-info", "__pycache__", ".*_cache", ".hypothesis"
)
BUILD_TIMEOUT_S = 280

pytestmark = pytest.mark.timeout(300)


def run(*command: str | Path, cwd: Path) -> str:
    done = subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=BUILD_TIMEOUT_S,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the sources without anything built."""
    copy = tmp_path_factory.mktemp("sources") / "imtornado"
    shutil.copytree(ROOT, copy, ignore=LEFT_OUT)
    for built in ("app", ".vite", "stickers"):
        shutil.rmtree(copy / "static" / built, ignore_errors=True)
    return copy


@pytest.fixture(scope="module")
def distributions(sources: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """(source distribution, wheel built from it), each in an isolated environment, as a packager makes them."""
    folder = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "build", "--outdir", folder, sources, cwd=folder)
    (sdist,) = folder.glob("*.tar.gz")
    (wheel,) = folder.glob("*.whl")
    return sdist, wheel


@pytest.fixture(scope="module")
def installed(distributions: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of a fresh environment that holds the wheel and what it requires, and nothing else."""
    folder = tmp_path_factory.mktemp("installed")
    venv.create(folder, with_pip=True)
    python = folder / "bin" / "python"
    run(python, "-m", "pip", "install", "--quiet", "--no-warn-script-location", distributions[1], cwd=folder)
    return python


def sdist_names(sdist: Path) -> set[str]:
    with tarfile.open(sdist) as archive:
        return {name.partition("/")[2] for name in archive.getnames()}


def wheel_names(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


def test_a_source_distribution_holds_the_sources_and_nothing_built(distributions: tuple[Path, Path]) -> None:
    names = sdist_names(distributions[0])
    expected = {
        "config.example.ini",
        "imtornado/py.typed",
        "static/.gitkeep",
        "templates/app.html",
        "tests/conftest.py",
        "web/build_backend/backend.py",
        "web/package-lock.json",
        "web/src/main.ts",
    }
    assert expected <= names
    assert not [
        name
        for name in names
        if "node_modules" in name or name.startswith(("static/app", "static/.vite", "static/stickers"))
    ]


def test_a_wheel_holds_the_built_client_and_no_sources_of_it(distributions: tuple[Path, Path]) -> None:
    names = wheel_names(distributions[1])
    assert "imtornado/static/.vite/manifest.json" in names
    assert [name for name in names if re.fullmatch(r"imtornado/static/app/.+\.js", name)]
    assert "imtornado/templates/app.html" in names
    assert len([name for name in names if re.fullmatch(r"imtornado/static/stickers/[a-z]+/[a-z]+\.svg", name)]) == 24
    assert "imtornado/static/stickers/index.json" in names
    tops = {name.split("/")[0] for name in names}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"imtornado", "handlers", "storage"}
    assert "imtornado/static/.gitkeep" not in names


def test_a_wheel_holds_every_module(sources: Path, distributions: tuple[Path, Path]) -> None:
    modules = {
        file.relative_to(sources).as_posix()
        for package in ("imtornado", "handlers", "storage")
        for file in (sources / package).rglob("*.py")
    }
    assert modules <= wheel_names(distributions[1])


def test_the_installed_command_knows_its_version(installed: Path) -> None:
    assert imtornado.__version__ in run(installed.parent / "imtornado", "--version", cwd=installed.parent)


@pytest.fixture
def page(installed: Path, tmp_path: Path) -> Iterator[str]:
    """The address of a server that runs from the wheel."""
    command = [
        str(installed.parent / "imtornado"),
        "serve",
        "--set",
        "server.port=0",
        "--set",
        f"uploads.folder={tmp_path}/resource",
    ]
    with subprocess.Popen(
        command, cwd=tmp_path, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        try:
            assert process.stdout is not None
            said = []
            for line in process.stdout:
                said.append(line)
                if ready := re.search(r"listening on (http://\S+)", line):
                    yield ready[1]
                    break
            else:
                pytest.fail("".join(said))
        finally:
            process.terminate()


def test_an_installed_server_serves_its_pages_and_assets(page: str, installed: Path, tmp_path: Path) -> None:
    script = (
        "import re, sys, urllib.request as request\n"
        "html = request.urlopen(sys.argv[1] + '/login').read().decode()\n"
        '[script] = re.findall(r\'<script[^>]* src="([^"]+)"\', html)\n'
        "answer = request.urlopen(sys.argv[1] + script)\n"
        "print(answer.status, answer.headers['Content-Type'], len(answer.read()))\n"
    )
    status, kind, size = run(installed, "-c", script, page, cwd=tmp_path).rsplit(maxsplit=2)
    assert (status, kind.partition(";")[0]) == ("200", "text/javascript")
    assert int(size) > 10_000


def test_a_second_build_of_the_same_sources_does_nothing(sources: Path, distributions: tuple[Path, Path]) -> None:
    # The wheel is built from the unpacked source distribution, so this tree has not been built yet.
    client = sources / "web" / "build_backend" / "client.py"
    first = run(sys.executable, client, "build", cwd=sources)
    assert "npm ci" in first
    assert "building" in first
    assert run(sys.executable, client, "build", cwd=sources) == ""
    main = sources / "web" / "src" / "main.ts"
    main.write_text(main.read_text(encoding="utf-8") + "\nconsole.debug('changed')\n", encoding="utf-8")
    changed = run(sys.executable, client, "build", cwd=sources)
    assert "building" in changed
    assert "npm ci" not in changed


def test_what_is_required_is_said_the_same_everywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "web" / "build_backend"))  # as the build finds the modules beside it
    setup = configparser.RawConfigParser()
    setup.read(ROOT / "setup.cfg", encoding="utf-8")
    spec = importlib.util.spec_from_file_location("client_build", ROOT / "web" / "build_backend" / "client.py")
    assert spec
    assert spec.loader
    client = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(client)
    assert setup["options.extras_require"]["web"].strip() == client.NODE_REQUIREMENT
    pyproject = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert "project" not in pyproject, "the metadata stand in setup.cfg"
    ranges = (ROOT / "docs" / "dependencies.md").read_text(encoding="utf-8")
    required = [
        line
        for section, key in (
            ("options", "install_requires"),
            *(("options.extras_require", e) for e in setup["options.extras_require"]),
        )
        for line in setup[section][key].split("\n")
        if line
    ]
    undocumented = [line for line in required if f"`{line.partition(';')[0]}`" not in ranges]
    assert not undocumented, "docs/dependencies.md gives a reason for every requirement"


def test_every_package_is_listed() -> None:
    setup = configparser.RawConfigParser()
    setup.read(ROOT / "setup.cfg", encoding="utf-8")
    listed = set(setup["options"]["packages"].split()) - {"imtornado.static", "imtornado.templates"}
    present = {
        ".".join(file.parent.relative_to(ROOT).parts)
        for package in ("imtornado", "handlers", "storage")
        for file in (ROOT / package).rglob("*.py")
    }
    assert listed == present
