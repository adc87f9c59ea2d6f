"""The links that the command line prints, opened in a browser: a new password, an invitation."""

import re
import subprocess
import sys

import pytest
from playwright.sync_api import expect

from tests.browser.test_two_people import at
from tests.fixtures.browser import OpenPage
from tests.fixtures.server import ROOT, Server, StartServer
from tests.people import PASSWORD, Failure, Person, call

NEW_PASSWORD = "another horse 8"


def link(server: Server, *command: str) -> str:
    """What `imtornado user …` prints for this server."""
    settings = (f"storage.url=sqlite:///{server.folder}/im.db", f"server.port={server.port}")
    arguments = [part for setting in settings for part in ("--set", setting)]
    done = subprocess.run(
        [sys.executable, "-m", "imtornado", "user", *command, *arguments],
        cwd=server.folder,
        env={"PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        check=True,
        encoding="utf-8",
    )
    found = re.match(r"http://127\.0\.0\.1:\d+/\w+#[\w-]{43}(?=\n)", done.stdout)
    assert found, done.stdout
    return found[0]


@pytest.mark.parametrize("locale", ["en-GB", "zh-CN"])
def test_a_link_sets_a_new_password_once(start_server: StartServer, open_page: OpenPage, locale: str) -> None:
    server = start_server()
    person = Person(server.port, "Ann")
    address = link(server, "passwd", person.mobile, "--link")
    page = open_page(server.base_url, locale=locale)
    page.goto(address)
    at(page, "reset-passwd").fill(NEW_PASSWORD)
    at(page, "reset-again").fill("something else 9")
    at(page, "reset-submit").click()
    expect(page.get_by_role("alert").first).to_be_visible()
    at(page, "reset-again").fill(NEW_PASSWORD)
    at(page, "reset-submit").click()
    expect(at(page, "tab-chats")).to_be_visible()
    assert "#" not in page.url, "the secret stays in the address"
    assert call(server.port, "/user/login", {"mobile": person.mobile, "passwd": NEW_PASSWORD})["code"] == 0
    with pytest.raises(Failure):
        call(server.port, "/user/login", {"mobile": person.mobile, "passwd": PASSWORD})
    again = open_page(server.base_url, locale=locale)
    again.goto(address)
    at(again, "reset-passwd").fill("third horse 99")
    at(again, "reset-again").fill("third horse 99")
    at(again, "reset-submit").click()
    expect(again.get_by_role("alert").first).to_be_visible()
    assert call(server.port, "/user/login", {"mobile": person.mobile, "passwd": NEW_PASSWORD})["code"] == 0


def test_an_invitation_registers(start_server: StartServer, open_page: OpenPage) -> None:
    server = start_server("accounts.registration=invite")
    Person(server.port, "the first")
    page = open_page(server.base_url, locale="en-GB")
    page.goto(link(server, "invite"))
    at(page, "register-nickname").fill("Ben")
    at(page, "register-mobile").fill("13500000009")
    at(page, "register-passwd").fill(PASSWORD)
    at(page, "register-submit").click()
    expect(at(page, "tab-chats")).to_be_visible()
    assert call(server.port, "/user/login", {"mobile": "13500000009", "passwd": PASSWORD})["data"]["nickname"] == "Ben"
