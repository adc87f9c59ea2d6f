"""The stickers: drawn by the script in the repository, harmless, listed, served, and sent as in the original."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from tests.handlers.house import House, open_house
from tests.handlers.uploading import request

ROOT = Path(__file__).resolve().parents[1]
SCRIPT = ROOT / "web" / "build_backend" / "stickers.py"
SVG = "{http://www.w3.org/2000/svg}"
SHAPES = {"svg", "title", "g", "path", "circle", "ellipse", "rect", "polygon", "text"}


def drawn(*folder: Path) -> None:
    subprocess.run([sys.executable, str(SCRIPT), *map(str, folder)], check=True, timeout=60)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("stickers")
    drawn(folder)
    return folder


@pytest.fixture(scope="module")
def sets(folder: Path) -> list[dict[str, Any]]:
    index: dict[str, list[dict[str, Any]]] = json.loads((folder / "index.json").read_text(encoding="utf-8"))
    return index["sets"]


def test_two_sets_of_a_dozen_each_in_two_languages(folder: Path, sets: list[dict[str, Any]]) -> None:
    assert [(entry["id"], len(entry["stickers"])) for entry in sets] == [("mochi", 12), ("pip", 12)]
    for entry in sets:
        for sticker in entry["stickers"]:
            assert sticker["url"] == f"/asset/stickers/{entry['id']}/{sticker['id']}.svg"
            assert sticker["label"]["en"].isascii()
            assert any("\u4e00" <= letter <= "\u9fff" for letter in sticker["label"]["zh"])
    assert len({file.read_bytes() for file in folder.rglob("*.svg")}) == 24, "each is a drawing of its own"


def test_a_sticker_is_shapes_and_nothing_that_runs_or_loads(folder: Path) -> None:
    for file in folder.rglob("*.svg"):
        assert file.stat().st_size < 5000
        root = ElementTree.parse(file).getroot()
        assert root.get("viewBox") == "0 0 240 240"
        for element in root.iter():
            assert element.tag.removeprefix(SVG) in SHAPES
            assert not [name for name in element.attrib if name.startswith("on") or "href" in name or name == "style"]
            assert not [value for value in element.attrib.values() if "url(" in value or "NaN" in value]


def test_drawing_again_changes_nothing_and_removes_what_is_no_sticker(folder: Path) -> None:
    before = {file: file.stat().st_mtime_ns for file in folder.rglob("*") if file.is_file()}
    stray = folder / "mochi" / "old.svg"
    stray.write_text("<svg/>")
    drawn(folder)
    assert {file: file.stat().st_mtime_ns for file in folder.rglob("*") if file.is_file()} == before


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    drawn()  # where `make run` and every wheel have them
    with open_house(tmp_path_factory.mktemp("house"), "contacts.confirm=no") as opened:
        yield opened


def test_a_sticker_is_served_to_everybody_and_sent_as_in_the_original(house: House, sets: list[dict[str, Any]]) -> None:
    ann, bob = house.people(2)
    ann.call("/contact/addfriend", dstid=bob.user_id)
    for entry in sets:
        url = entry["stickers"][0]["url"]
        ann.call("/message/send", **(ann.message(bob.user_id, "", media=4, url=url) | {"content": ""}))
        answer = request(house.port, "GET", url)
        assert (answer.status, answer.headers["Content-Type"]) == (200, "image/svg+xml")
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
    rows = bob.rows("/message/history", kind=10, dstid=ann.user_id)
    assert [(row["media"], row["url"]) for row in rows if row["media"] == 4] == [
        (4, entry["stickers"][0]["url"]) for entry in sets
    ]
    index = request(house.port, "GET", "/asset/stickers/index.json")
    assert json.loads(index.body)["sets"] == sets
