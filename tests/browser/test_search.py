"""Finding messages in a browser: everywhere and in one chat, at a desk and on a phone, and the way to the message."""

import sqlite3
import time
from contextlib import closing
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from imtornado.clock import Clock
from imtornado.drafts import MessageDraft
from imtornado.records import Kind
from imtornado.tokenizer import VERSION
from storage import search
from storage.backends import open_store
from storage.store import Store
from tests.browser.test_conversation import PHONE, log_in, open_chat
from tests.browser.test_two_people import at, message
from tests.fixtures.browser import OpenPage
from tests.fixtures.server import Server, StartServer
from tests.handlers.house import open_house
from tests.handlers.test_retention import a_week_of_messages
from tests.people import Person

FAR = 4_500  # messages after the first one: more than a chat reads back for a jump
MANY = 30  # more than a page of hits
SOON_S = 90.0


def compose(page: Page, text: str) -> None:
    """As an input method types: the text stands in the field before it is decided."""
    keyboard = page.context.new_cdp_session(page)
    keyboard.send("Input.imeSetComposition", {"text": text[:1], "selectionStart": 1, "selectionEnd": 1})
    expect(at(page, "search-field")).to_have_value(text[:1])
    keyboard.send("Input.insertText", {"text": text})
    keyboard.detach()


def talk(server: Server, ann: Person, ben: Person) -> None:
    """A long chat whose first message asks for the boat, past the server; indexed when this returns."""
    with closing(open_store(server.storage_url, Clock())) as store:
        texts = ["第一次出海的船在哪里"] + [f"Note {number}." for number in range(1, FAR)]
        first = store.reserve_ids(FAR)
        for start in range(0, FAR, 500):
            drafts = [
                MessageDraft(ben.user_id, Kind.SINGLE, ann.user_id, f"t{n}", 1, texts[n], message_id=first + n)
                for n in range(start, start + 500)
            ]
            store.commit(drafts)
        until_indexed(store)


def until_indexed(store: Store) -> None:
    until = time.monotonic() + SOON_S
    while not store.search_index.is_complete():
        assert time.monotonic() < until, "the index stays behind"
        time.sleep(0.05)


@pytest.mark.timeout(240)
def test_what_was_said_is_found_and_shown(start_server: StartServer, open_page: OpenPage) -> None:
    server = start_server("contacts.confirm=no", "security.throttle=no", "search.busy_percent=50")
    ann, ben = Person(server.port, "Ann"), Person(server.port, "小明")
    ann.call("/contact/addfriend", dstid=ben.user_id)
    room = ann.data("/contact/createcommunity", name="Sunday hikers")["id"]
    ben.call("/contact/joincommunity", dstid=room)
    ben.say(room, "周末开会 at the old <b>bridge</b>", cmd=11)
    for number in range(MANY):
        ann.say(ann.user_id, f"Shopping {number}")
    talk(server, ann, ben)
    desk = open_page(server.base_url, locale="en-GB", viewport={"width": 1280, "height": 800})
    log_in(desk, ann)
    open_chat(desk, "小明")
    expect(message(desk, f"Note {FAR - 1}.")).to_be_in_viewport()

    # By keyboard, with an input method, everywhere.
    desk.keyboard.press("Control+k")
    expect(at(desk, "search-idle")).to_be_visible()
    at(desk, "search-field").press_sequentially("a")
    expect(at(desk, "search-short")).to_be_visible()
    at(desk, "search-field").fill("")
    compose(desk, "开会")
    expect(at(desk, "search-hit")).to_have_count(1)
    expect(at(desk, "search-hit")).to_contain_text("Sunday hikers")
    expect(at(desk, "search-hit")).to_contain_text("小明: 周末开会 at the old <b>bridge</b>")
    expect(at(desk, "search-hit").locator("mark")).to_have_text("开会")
    desk.keyboard.press("ArrowDown")
    desk.keyboard.press("Enter")
    expect(at(desk, "chat-title")).to_have_text("Sunday hikers")
    expect(message(desk, "周末开会 at the old <b>bridge</b>")).to_be_in_viewport()

    # Pages come as one scrolls.
    desk.keyboard.press("Control+k")
    at(desk, "search-field").fill("SHOPP")
    expect(at(desk, "search-hit").first).to_contain_text(f"Shopping {MANY - 1}")
    expect(at(desk, "search-hit").first).to_contain_text("You: ")
    at(desk, "search-results").evaluate("box => box.scrollTo(0, box.scrollHeight)")
    expect(at(desk, "search-hit")).to_have_count(MANY)
    at(desk, "search-field").fill("nobody said this")
    expect(at(desk, "search-nothing")).to_be_visible()
    at(desk, "search-close").click()
    expect(at(desk, "search")).to_have_count(0)

    # In one chat, on a phone, in Chinese: a message from far back.
    phone = open_page(server.base_url, **PHONE)
    log_in(phone, ben)
    open_chat(phone, "Ann")
    at(phone, "chat-search").tap()
    at(phone, "search-field").fill("开会")
    expect(at(phone, "search-nothing")).to_be_visible()
    at(phone, "search-everywhere").tap()
    expect(at(phone, "search-hit")).to_have_count(1)
    at(phone, "search-here").tap()
    at(phone, "search-field").fill("出海 第一次")
    expect(at(phone, "search-hit").locator("mark")).to_have_text("第一次出海")
    at(phone, "search-hit").tap()
    expect(at(phone, "around")).to_contain_text("第一次出海的船在哪里")
    expect(at(phone, "around")).to_contain_text("Note 3.")
    phone.keyboard.press("Escape")

    # Nearer ones are shown in the chat itself.
    at(phone, "chat-search").tap()
    at(phone, "search-field").fill(f"{FAR - 400}")
    at(phone, "search-hit").tap()
    expect(message(phone, f"Note {FAR - 400}.")).to_be_in_viewport()

    # Without the server it says so, and can be tried again.
    server.stop()
    desk.keyboard.press("Control+k")
    at(desk, "search-field").fill("meeting")
    expect(at(desk, "search-failed")).to_be_visible()
    server.restart()
    at(desk, "search-failed").get_by_role("button").click()
    expect(at(desk, "search-nothing")).to_be_visible()


def test_all_of_a_search_can_be_done_by_keyboard(start_server: StartServer, open_page: OpenPage) -> None:
    server = start_server("security.throttle=no")
    ann = Person(server.port, "Ann")
    for number in range(MANY):
        ann.say(ann.user_id, f"Shopping {number}" + (" for tea" if number % 2 else ""))
    with closing(open_store(server.storage_url, Clock())) as store:
        until_indexed(store)
    page = open_page(server.base_url, locale="en-GB", reduced_motion="reduce")
    log_in(page, ann)
    open_chat(page, "Notes to self")
    keyboard = page.keyboard

    # Down and up the hits; whoever writes on is back in the field, and reads what is new from its beginning.
    at(page, "composer").focus()
    keyboard.press("Control+k")
    keyboard.type("shop ")
    keyboard.press("Enter")  # asks at once
    expect(at(page, "search-hit").first).to_contain_text(f"Shopping {MANY - 1}")
    for _ in range(12):
        keyboard.press("ArrowDown")
    expect(at(page, "search-hit").nth(11)).to_be_focused()
    keyboard.press("ArrowUp")
    expect(at(page, "search-hit").nth(10)).to_be_focused()
    keyboard.type("tea")
    expect(at(page, "search-field")).to_be_focused()
    expect(at(page, "search-field")).to_have_value("shop tea")
    expect(at(page, "search-hit")).to_have_count(MANY // 2)
    expect(at(page, "search-hit").first).to_be_in_viewport()
    expect(at(page, "search-hit").first.locator("mark")).to_have_text(["Shop", "tea"])

    # Esc gives the focus back; a hit is marked where it stands, without motion too.
    keyboard.press("Escape")
    expect(at(page, "search")).to_have_count(0)
    expect(at(page, "composer")).to_be_focused()
    keyboard.press("Control+k")
    keyboard.type("shopping 3")
    expect(at(page, "search-hit").last).to_contain_text("Shopping 3 for tea")
    keyboard.press("ArrowDown")
    keyboard.press("Enter")
    expect(message(page, "Shopping 3 for tea")).to_be_in_viewport()
    expect(message(page, "Shopping 3 for tea")).not_to_have_css("background-color", "rgba(0, 0, 0, 0)")


def test_who_finds_too_little_reads_that_the_index_is_still_made(
    tmp_path: Path, open_page: OpenPage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search, "TAIL_MOST", 0)
    _, (_, token) = a_week_of_messages(f"sqlite:///{tmp_path}/im.db")
    with closing(sqlite3.connect(tmp_path / "im.db")) as connection, connection:
        # Another process has begun it, and takes its time.
        job = ("search", "elsewhere", 2**52, -1, VERSION)
        connection.execute("INSERT INTO job (name, holder, until_ms, position, version) VALUES (?, ?, ?, ?, ?)", job)
    with open_house(tmp_path) as house:
        page = open_page(f"http://127.0.0.1:{house.port}", **PHONE)
        page.context.add_cookies([{"name": "im_session", "value": token, "url": f"http://127.0.0.1:{house.port}"}])
        page.goto("/")
        at(page, "open-search").tap()
        at(page, "search-field").fill("text")
        expect(at(page, "search-nothing")).to_contain_text("仍在建立搜索索引")
        page.context.close()
