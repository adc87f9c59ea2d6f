"""Names that users give their files: safe to show, to save and to put into a header."""

import urllib.parse

import pytest

from imtornado.services.file_names import disposition, neutral_name, safe_name


@pytest.mark.parametrize(
    ("told", "shown"),
    [
        ("report.pdf", "report.pdf"),
        ("年度报告 (最终).docx", "年度报告 (最终).docx"),
        ("../../etc/passwd", "passwd"),
        ("C:\\Users\\Li\\secret.txt", "secret.txt"),
        ("invoice\u202egnp.exe", "invoicegnp.exe"),
        ("a\u200bb\u2066c\ufeff.txt", "abc.txt"),
        ("line\r\nSet-Cookie: x=1.txt", "lineSet-Cookie_ x=1.txt"),
        ('quo"te<b>.txt', "quo_te_b_.txt"),
        ("nul\0l.txt", "null.txt"),
        ("  .hidden. ", "hidden"),
        ("con.txt", "_con.txt"),
        ("e\u0301.txt", "é.txt"),
        ("", ""),
        ("...", ""),
        ("\u202e\u200f", ""),
        ("/", ""),
        ("a  \t b.txt", "a b.txt"),
        ("\ud800x.txt", "x.txt"),
    ],
)
def test_a_name_is_shown_without_what_deceives(told: str, shown: str) -> None:
    assert safe_name(told) == shown
    assert safe_name(shown) == shown


def test_a_long_name_keeps_its_suffix() -> None:
    for letter in ("x", "字", "😀"):
        name = safe_name(letter * 1000 + ".tar")
        assert name.endswith(".tar")
        assert len(name) <= 120
        assert len(name.encode()) <= 240
    assert len(safe_name("x." + "y" * 1000)) <= 120


@pytest.mark.parametrize("name", ["report.pdf", "年度 报告.docx", "50%.txt", "it's.txt", "a;b=c,d.txt", "é\\.txt"])
def test_a_header_gives_the_name_back(name: str) -> None:
    value = disposition("attachment", name)
    assert value.isascii()
    assert value.startswith('attachment; filename="')
    if "filename*" in value:
        assert urllib.parse.unquote(value.rpartition("UTF-8''")[2]) == name
    else:
        assert value == f'attachment; filename="{name}"'


def test_our_own_name_says_nothing() -> None:
    assert neutral_name("ab" * 32, "image/webp") == "abababababab.webp"
    assert neutral_name("ab" * 32, "application/octet-stream") == "abababababab.bin"
