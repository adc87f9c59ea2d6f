"""Where the rest begins, once older messages were removed: at a desk and on a phone, also in a page that was open."""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from imtornado.services.retention import DAY_MS
from tests.browser.test_conversation import log_in, open_chat
from tests.browser.test_two_people import at, message
from tests.fixtures.browser import OpenPage
from tests.fixtures.server import StartServer
from tests.handlers.house import open_house
from tests.handlers.test_retention import a_week_of_messages
from tests.live.figures import wait_for_figure
from tests.people import Person

PHONE: dict[str, Any] = {
    "viewport": {"width": 390, "height": 844},
    "has_touch": True,
    "is_mobile": True,
    "locale": "zh-CN",
}
DESK: dict[str, Any] = {"viewport": {"width": 1280, "height": 800}, "locale": "en"}


@pytest.mark.parametrize(
    ("context", "told"), [(DESK, "Older messages were removed"), (PHONE, "已被清除")], ids=["desk", "phone"]
)
def test_the_list_says_that_older_messages_were_removed(
    tmp_path: Path, open_page: OpenPage, context: dict[str, Any], told: str
) -> None:
    _, (_, token) = a_week_of_messages(f"sqlite:///{tmp_path}/im.db")
    with open_house(tmp_path, "messages.keep_days=2") as house:
        wait_for_figure(house.port, "expired_messages_total", 5 * 24 - 1)
        page = open_page(f"http://127.0.0.1:{house.port}", **context)
        page.context.add_cookies([{"name": "im_session", "value": token, "url": f"http://127.0.0.1:{house.port}"}])
        page.goto("/")
        at(page, "conversation-row").first.click()
        expect(at(page, "message-list")).to_contain_text("text 168")
        at(page, "message-list").evaluate("list => { list.scrollTop = 0 }")
        expect(at(page, "older-expired")).to_contain_text(told)
        expect(at(page, "message-list")).not_to_contain_text("text 100")
        page.context.close()


@pytest.mark.timeout(180)
def test_an_open_page_lets_go_of_what_has_expired(start_server: StartServer, open_page: OpenPage) -> None:
    server = start_server()
    ann, ben = Person(server.port, "Ann"), Person(server.port, "Ben")
    ann.befriend(ben)
    question = ben.say(ann.user_id, "Where is the boat?")
    for number in range(20):
        ben.say(ann.user_id, f"Note {number}.")
    answer = ben.message(ann.user_id, "At the bridge.", reply=question["seq"])
    ben.call("/message/send", **answer)
    page = open_page(server.base_url, **DESK)
    log_in(page, ann)
    open_chat(page, "Ben")
    expect(message(page, "Note 4.")).to_have_count(1)
    expect(at(page, "quote-text")).to_have_text("Where is the boat?")

    server.stop()
    with closing(sqlite3.connect(server.database)) as connection, connection:
        moved = "UPDATE message SET created_at_ms = created_at_ms - ? WHERE content IN (?, ?)"
        connection.execute(moved, (3 * DAY_MS, "Where is the boat?", "Note 0."))
    server.settings = (*server.settings, "messages.keep_days=2")
    server.restart()

    expect(at(page, "older-expired")).to_be_attached()
    expect(message(page, "Note 0.")).to_have_count(0)
    expect(at(page, "message")).to_have_count(20)
    expect(at(page, "quote-text")).to_have_text("This message is not available")
    at(page, "quote").click()
    expect(at(page, "toast")).to_contain_text("This message is not available")
    page.reload()
    open_chat(page, "Ben")
    expect(at(page, "message")).to_have_count(20)
    expect(at(page, "older-expired")).to_be_attached()
