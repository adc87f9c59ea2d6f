"""Every sentence that a caller may be told stands in `imtornado.chinese`, and nothing else does."""

import ast
import string
from collections.abc import Iterator
from pathlib import Path

import pytest

from imtornado import errors
from imtornado.chinese import CHINESE, translated
from imtornado.errors import BadParameter, ImError

ROOT = Path(__file__).resolve().parents[1]
ERRORS = {name for name, value in vars(errors).items() if isinstance(value, type) and issubclass(value, ImError)}


def raised() -> Iterator[tuple[str, str | None]]:
    """(place, sentence) of each ImError that is built in the sources; None where it is no literal."""
    for package in ("imtornado", "handlers", "storage"):
        for file in sorted((ROOT / package).rglob("*.py")):
            for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Call) and _name(node.func) in ERRORS:
                    first = node.args[0] if node.args else None
                    literal = isinstance(first, ast.Constant) and isinstance(first.value, str)
                    place = f"{file.relative_to(ROOT)}:{node.lineno}"
                    yield place, first.value if literal else None  # type: ignore[union-attr]


def _name(function: ast.expr) -> str:
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")


def _places(template: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(template) if name is not None}


RAISED = list(raised())
SENTENCES = {sentence: place for place, sentence in RAISED if sentence is not None}


def test_the_sources_were_read() -> None:
    assert len(SENTENCES) > 40


def test_sentences_are_literals() -> None:
    """A sentence built from a caller's text would be a template of the caller's."""
    assert [place for place, sentence in RAISED if sentence is None] == []


def test_every_sentence_has_its_chinese() -> None:
    missing = {place: sentence for sentence, place in SENTENCES.items() if sentence not in CHINESE}
    assert not missing


def test_nothing_is_translated_that_nobody_says() -> None:
    sources = "\n".join(
        file.read_text(encoding="utf-8")
        for package in ("imtornado", "handlers", "storage")
        for file in (ROOT / package).rglob("*.py")
        if file.name != "chinese.py"
    )
    assert [sentence for sentence in CHINESE if sentence not in SENTENCES and f'"{sentence}"' not in sources] == []


@pytest.mark.parametrize("sentence", CHINESE)
def test_both_languages_fill_the_same_places(sentence: str) -> None:
    assert _places(sentence) == _places(CHINESE[sentence])
    assert CHINESE[sentence] != sentence


def test_a_value_with_braces_is_shown_as_it_is() -> None:
    error = BadParameter("This must be one of: {choices}.", choices="{count} {0}")
    assert translated(error, "en") == "This must be one of: {count} {0}."
    assert "{count} {0}" in translated(error, "zh")
