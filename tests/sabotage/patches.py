"""Patches of the list: a unified diff below a heading that says what breaks and which test must see it.

    Breaks: what is not true any more
    Caught-by: tests/….py::test_… [more arguments of pytest]
    --- a/path
    +++ b/path
    @@ … @@

They are read here and not by `patch`: a place is found by its lines, whatever its number has become.
"""

import ast
import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FOLDER = Path(__file__).resolve().parent


Hunks = tuple[tuple[str, str], ...]  # (the lines before, the lines after), each with the lines around them


@dataclass(frozen=True)
class Patch:
    name: str
    breaks: str
    test: str
    files: dict[str, Hunks]  # {path: …}

    @property
    def test_file(self) -> str:
        return self.test.partition("::")[0]

    @property
    def test_name(self) -> str:
        return self.test.partition("::")[2].partition("[")[0]

    def applied(self, root: Path) -> dict[str, str]:
        """{path: what the file says with the patch}. Raises: ValueError where a place is not there, or there twice."""
        texts = {}
        for path, hunks in self.files.items():
            text = (root / path).read_text(encoding="utf-8")
            for before, after in hunks:
                if text.count(before) != 1:
                    raise ValueError(f"{self.name}: {text.count(before)} places in {path} read so:\n{before}")
                text = text.replace(before, after)
            texts[path] = text
        return texts


def read(file: Path) -> Patch:
    heading, *diffs = file.read_text(encoding="utf-8").split("--- a/")
    fields = {name: value.strip() for name, _, value in (line.partition(": ") for line in heading.splitlines())}
    files = {}
    for diff in diffs:
        path, *hunks = re.split(r"(?m)^@@.*\n", diff)
        files[path.partition("\n")[0]] = tuple((_side(hunk, " -"), _side(hunk, " +")) for hunk in hunks)
    return Patch(file.stem, fields["Breaks"], fields["Caught-by"], files)


def _side(hunk: str, signs: str) -> str:
    return "".join(line[1:] for line in hunk.splitlines(keepends=True) if line[0] in signs)


PATCHES = [read(file) for file in sorted(FOLDER.glob("*.patch"))]


def names_in(file: Path) -> set[str]:
    tree = ast.parse(file.read_text(encoding="utf-8"))
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}
