"""Holds the layers of docs/architecture.md by reading the imports, and the layout of the repository.

    row 5   app, cli, __main__, commands        may import everything
    row 4   handlers                            rows 1 and 3, never storage
    row 3   services, live, passwords, images,  row 1; those that may also storage.store, the interface
    row 2   storage                             row 1
    row 1   what everyone speaks of             each other

Modules of one package may import each other. Nobody imports in a circle, or where one cannot see it.
"""

import ast
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("imtornado", "handlers", "storage")

FOUNDATION = frozenset(
    {
        "imtornado",
        "imtornado.change_records",
        "imtornado.chat_protocol",
        "imtornado.chinese",
        "imtornado.client",
        "imtornado.clock",
        "imtornado.config",
        "imtornado.config_sources",
        "imtornado.drafts",
        "imtornado.errors",
        "imtornado.containers",
        "imtornado.file_records",
        "imtornado.heif",
        "imtornado.matroska",
        "imtornado.mp4",
        "imtornado.mp4_boxes",
        "imtornado.mp4_samples",
        "imtornado.ogg",
        "imtornado.tracks",
        "imtornado.frames",
        "imtornado.kinds",
        "imtornado.log",
        "imtornado.metrics",
        "imtornado.paths",
        "imtornado.pixels",
        "imtornado.processes",
        "imtornado.protocol",
        "imtornado.records",
        "imtornado.resource_urls",
        "imtornado.search_records",
        "imtornado.timings",
        "imtornado.tokenizer",
        "imtornado.workers",
    }
)
STORAGE = "storage"
RULES_AND_LIVE = (
    "imtornado.services",
    "imtornado.live",
    "imtornado.passwords",
    "imtornado.images",
    "imtornado.attachments",
)
HANDLERS = "handlers"
COMPOSITION = (
    "imtornado.app",
    "imtornado.cli",
    "imtornado.__main__",
    "imtornado.commands",
    "imtornado.measuring",
    "imtornado.upkeep",
)
WHOLE_PACKAGES = ("storage", "handlers", "imtornado.services", "imtornado.live")  # one import within is no crossing
INTERFACE_OF_STORAGE = "storage.store"
# Of live only those that reach the database through a worker; registry, delivery and wire know of none.
MAY_SEE_THE_INTERFACE = (
    "imtornado.services",
    "imtornado.live.chat",
    "imtornado.live.events",
    "imtornado.live.hub",
    "imtornado.live.rights",
    "imtornado.live.settling",
    "imtornado.live.watching",
    "imtornado.live.writer",
)

CUSTOMERS_LAYOUT = {
    "setup.cfg",
    "imtornado",
    "handlers",
    "storage",
    "templates",
    "static",
    "resource",
    "tests",
    "config.example.ini",
}
BESIDE_IT = {
    "README.md",
    "README.zh-CN.md",
    "LICENSE",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "MANIFEST.in",
    "Makefile",
    "pyproject.toml",
    "docs",
    "web",
    "benchmarks",
    "deploy",
    "examples",
}
LEFT_BY_TOOLS = {"build", "dist", "data", "htmlcov", "config.ini", "imtornado.egg-info"}

LONGEST_FILE_LINES = 400
LONGEST_MODULE_LINES = 250
LONGER_MODULES = {"storage.migrations.0001_initial": 272}  # a migration is frozen


class Import(NamedTuple):
    """Module `importer` names module `imported` of ours; `nested` inside a function or class."""

    importer: str
    imported: str
    line: int
    nested: bool
    relative: bool


def modules() -> dict[str, Path]:
    """{dotted name: file} of all code of ours."""
    found = {}
    for package in PACKAGES:
        for file in (ROOT / package).rglob("*.py"):
            parts = file.relative_to(ROOT).with_suffix("").parts
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = file
    return found


def is_under(module: str, *names: str) -> bool:
    return any(module == name or module.startswith(f"{name}.") for name in names)


def row(module: str) -> int | None:
    """The row of the table, None for a module that it does not know."""
    if module in FOUNDATION:
        return 1
    for number, names in ((2, (STORAGE,)), (3, RULES_AND_LIVE), (4, (HANDLERS,)), (5, COMPOSITION)):
        if is_under(module, *names):
            return number
    return None


def imports(known: dict[str, Path]) -> Iterator[Import]:
    """Every import of ours, also those inside functions and under TYPE_CHECKING."""
    for importer, file in known.items():
        tree = ast.parse(file.read_text(encoding="utf-8"))
        nested = {
            inner
            for outer in ast.walk(tree)
            if isinstance(outer, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
            for inner in ast.walk(outer)
        }
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                targets = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                base = node.module or ""
                # "from storage import store" names a module, "from storage.store import Store" a class in one
                named = (f"{base}.{alias.name}" for alias in node.names)
                targets = [name if name in known else base for name in named]
            else:
                continue
            relative = isinstance(node, ast.ImportFrom) and node.level > 0
            for target in dict.fromkeys(targets):
                if relative or is_under(target, *PACKAGES):
                    yield Import(importer, target, node.lineno, node in nested, relative)


def is_allowed(edge: Import) -> bool:
    """The table, for one import of a known module by a known module."""
    of, to = row(edge.importer), row(edge.imported)
    if of == 5 or to == 1:
        return True
    if (edge.importer, edge.imported) == ("imtornado.attachments", "imtornado.images"):  # pictures are one kind of them
        return True
    if any(is_under(edge.importer, package) and is_under(edge.imported, package) for package in WHOLE_PACKAGES):
        return True
    if of == 3:
        return edge.imported == INTERFACE_OF_STORAGE and is_under(edge.importer, *MAY_SEE_THE_INTERFACE)
    return of == 4 and to == 3


KNOWN = modules()
EDGES = tuple(imports(KNOWN))


def told(edges: list[Import]) -> str:
    return "\n".join(f"{edge.importer}, line {edge.line}: imports {edge.imported}" for edge in edges)


def test_every_module_has_a_row() -> None:
    assert len(KNOWN) > 20, "the modules were not found"
    unknown = sorted(module for module in KNOWN if row(module) is None)
    assert not unknown, f"give them a row here and in docs/architecture.md: {unknown}"


def test_modules_import_only_from_the_rows_below() -> None:
    assert len(EDGES) > 20, "the imports were not found"
    wrong = [edge for edge in EDGES if not is_allowed(edge)]
    assert not wrong, told(wrong)


def test_imported_modules_exist() -> None:
    wrong = [edge for edge in EDGES if edge.imported not in KNOWN]
    assert not wrong, told(wrong)


def test_nobody_imports_in_a_circle() -> None:
    graph: dict[str, set[str]] = {module: set() for module in KNOWN}
    for edge in EDGES:
        graph[edge.importer].add(edge.imported)
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(f"a circle of imports: {' <- '.join(error.args[1])}")


def test_imports_are_absolute_and_at_the_top() -> None:
    wrong = [edge for edge in EDGES if edge.nested or edge.relative]
    assert not wrong, told(wrong)


@pytest.mark.parametrize(
    ("importer", "imported", "allowed"),
    [
        ("handlers.message", "storage.store", False),
        ("handlers.message", "handlers.base", True),
        ("handlers.message", "imtornado.services.messages", True),
        ("handlers.message", "imtornado.app", False),
        ("storage.users", "imtornado.records", True),
        ("storage.users", "storage.sqlite", True),
        ("storage.users", "imtornado.services.accounts", False),
        ("imtornado.services.accounts", "storage.store", True),
        ("imtornado.services.accounts", "storage.sqlite", False),
        ("imtornado.services.accounts", "imtornado.live.registry", False),
        ("imtornado.live.registry", "storage.store", False),
        ("imtornado.live.writer", "storage.store", True),
        ("imtornado.live.delivery", "imtornado.live.registry", True),
        ("imtornado.live.delivery", "handlers.chat", False),
        ("imtornado.protocol", "imtornado.records", True),
        ("imtornado.protocol", "imtornado.live.registry", False),
        ("imtornado.passwords", "imtornado.images", False),
        ("imtornado.app", "storage.sqlite", True),
    ],
)
def test_the_table_itself(importer: str, imported: str, allowed: bool) -> None:
    assert is_allowed(Import(importer, imported, 1, nested=False, relative=False)) is allowed


def test_the_top_level_is_the_customers_and_little_beside_it() -> None:
    present = {entry.name for entry in ROOT.iterdir() if not entry.name.startswith(".")} - LEFT_BY_TOOLS
    missing = CUSTOMERS_LAYOUT - present
    assert not missing, f"the customer's layout has {sorted(missing)}"
    surplus = present - CUSTOMERS_LAYOUT - BESIDE_IT
    assert not surplus, f"not at the top level: {sorted(surplus)}"


def test_folders_that_are_mapped_into_the_wheel_hold_no_code() -> None:
    assert not [file for folder in ("templates", "static") for file in (ROOT / folder).rglob("*.py")]


def test_no_file_is_longer_than_400_lines() -> None:
    sources = (
        *(file for folder in (*PACKAGES, "tests", "benchmarks") for file in (ROOT / folder).rglob("*.py")),
        *(ROOT / "web" / "build_backend").glob("*.py"),
        *(file for suffix in ("ts", "vue", "css") for file in (ROOT / "web" / "src").rglob(f"*.{suffix}")),
    )
    lengths = {str(file.relative_to(ROOT)): len(file.read_bytes().splitlines()) for file in sources}
    too_long = {file: lines for file, lines in lengths.items() if lines > LONGEST_FILE_LINES}
    assert not too_long, f"split by concept: {too_long}"


def test_no_module_of_the_program_is_longer_than_250_lines() -> None:
    lengths = {module: len(file.read_bytes().splitlines()) for module, file in KNOWN.items()}
    too_long = {
        module: lines for module, lines in lengths.items() if lines > LONGER_MODULES.get(module, LONGEST_MODULE_LINES)
    }
    assert not too_long, f"split by concept: {too_long}"
