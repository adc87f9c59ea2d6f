"""The documents say what the program does."""

import re
from pathlib import Path

import pytest

from handlers.routes import TABLE
from imtornado.config import sections
from imtornado.errors import Code
from imtornado.frames import Cmd
from imtornado.live.outbox import Close

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"), ROOT / "web" / "README.md"])
PROTOCOL = (ROOT / "docs" / "protocol.md").read_text(encoding="utf-8")
NOT_FOR_CLIENTS = {"/user/invite"}


def test_every_route_is_in_the_contract() -> None:
    paths = {path for path, _ in TABLE if path.isascii() and "(" not in path} - NOT_FOR_CLIENTS
    assert len(paths) > 30
    assert [path for path in sorted(paths) if f"`{path}`" not in PROTOCOL] == []


def test_every_route_of_the_contract_is_served() -> None:
    served = {path for path, _ in TABLE}
    named = set(re.findall(r"^\| `(/[a-z]+/?[a-z]*)` \|", PROTOCOL, re.MULTILINE))
    assert len(named) > 30
    assert named - served == set()


@pytest.mark.parametrize("code", list(Code))
def test_every_code_is_in_the_contract(code: Code) -> None:
    assert f"| {int(code)} |" in PROTOCOL


@pytest.mark.parametrize("cmd", list(Cmd))
def test_every_cmd_is_in_the_contract(cmd: Cmd) -> None:
    assert re.search(rf"\| {int(cmd)} \| {cmd.name}|\b{int(cmd)} {cmd.name}\b", PROTOCOL)


@pytest.mark.parametrize("code", list(Close))
def test_every_close_code_is_in_the_contract(code: Close) -> None:
    assert f"| {int(code)} |" in PROTOCOL


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)", page.read_text(encoding="utf-8")):
        if "://" not in target:
            assert (page.parent / target).exists(), target


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_settings_that_are_named_exist(page: Path) -> None:
    known = sections()
    for section, key in re.findall(r"`([a-z]+)\.([a-z_]+)`", page.read_text(encoding="utf-8")):
        if section in known and key not in ("ini", "py"):
            assert key in known[section].__struct_fields__, f"{section}.{key}"


@pytest.mark.parametrize("page", ["README.md", "README.zh-CN.md"])
def test_the_two_commands_are_targets_of_make(page: str) -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    commands = re.findall(r"(?m)(?:^|`)make ([a-z]+)", (ROOT / page).read_text(encoding="utf-8"))
    assert {"run", "test"} <= set(commands)
    for command in commands:
        assert re.search(rf"^{command}:", makefile, re.MULTILINE), command
