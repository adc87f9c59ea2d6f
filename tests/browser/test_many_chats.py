"""The list of somebody with a thousand chats: it comes in pages, and what happens in one chat is its row's business."""

import threading

import pytest
from playwright.sync_api import Page, Route, expect

from imtornado.clock import Clock
from imtornado.passwords import Passwords
from storage.backends import open_database
from storage.population import FIRST_MOBILE, Population
from tests.browser.test_two_people import at
from tests.fixtures.browser import OpenPage
from tests.fixtures.server import StartServer
from tests.people import PASSWORD, call

CHATS = 1_000
HOUR_MS = 3_600_000

# Notes the rows in which anything was drawn anew, and those that were moved.
WATCH = """() => {
  window.touched = new Set()
  const list = document.querySelector('.list-body')
  new MutationObserver((changes) => {
    for (const { target, type, addedNodes } of changes) {
      const place = type === 'childList' && addedNodes.length ? addedNodes[0] : target
      const element = place.nodeType === 1 ? place : place.parentElement
      const row = element?.querySelector('[data-key]') ?? element?.closest('[data-key]')
      if (row) window.touched.add(row.dataset.key)
    }
  }).observe(list, { subtree: true, childList: true, characterData: true, attributes: true })
}"""


def populate(url: str) -> tuple[int, list[int]]:
    """Somebody with a thousand friends, who wrote to him an hour apart, the first of them last; the ids."""
    database = open_database(url)
    try:
        clock = Clock()
        population = Population(database, clock)
        user_id, *friends = population.add_users(CHATS + 1, Passwords(4).hash(PASSWORD))
        chats = population.add_friends([(user_id, friend) for friend in friends])
        rows = [
            (chat, 1, friend, f"cid {friend}", f"From {friend}", clock.now_ms() - place * HOUR_MS)
            for place, (chat, friend) in enumerate(zip(chats, friends, strict=True))
        ]
        population.add_messages(rows)
        population.settle(dict.fromkeys(chats, 1))
    finally:
        database.close()
    return user_id, friends


def keys(page: Page) -> list[str]:
    found: list[str] = page.evaluate(
        "[...document.querySelectorAll('[data-test=conversation-row]')].map(row => row.dataset.key)"
    )
    return found


@pytest.mark.timeout(180)
def test_a_thousand_chats(start_server: StartServer, open_page: OpenPage, tmp_path: object) -> None:
    url = f"sqlite:///{tmp_path}/im.db"
    user_id, friends = populate(url)
    server = start_server(f"storage.url={url}", "security.throttle=no", "search.enabled=no")
    page = open_page(server.base_url, locale="en-GB", viewport={"width": 1280, "height": 800})
    first_page_seen = threading.Event()
    asked: list[Route] = []

    def hold(route: Route) -> None:
        """Pages after the first wait until the first is seen."""
        if "after" in (route.request.post_data_json or {}) and not first_page_seen.is_set():
            asked.append(route)
        else:
            route.continue_()

    page.route("**/message/conversations", hold)
    page.goto("/login")
    at(page, "login-mobile").fill(str(FIRST_MOBILE + user_id))
    at(page, "login-passwd").fill(PASSWORD)
    at(page, "login-submit").click()
    expect(at(page, "conversation-row").first).to_contain_text(f"From {friends[0]}")
    assert len(keys(page)) < CHATS
    first_page_seen.set()
    for route in asked:
        route.continue_()

    # All of them, the newest first; the notebook, in which nothing was ever written, is as new as its account.
    expect(at(page, "conversation-row")).to_have_count(CHATS + 1)
    notebook = f"10:{user_id}"
    assert [key for key in keys(page) if key != notebook] == [f"10:{friend}" for friend in friends]

    # One who was silent for weeks writes: his row moves to the top, and no other is drawn anew.
    page.evaluate(WATCH)
    silent = friends[-1]
    login = {"mobile": str(FIRST_MOBILE + silent), "passwd": PASSWORD}
    token = call(server.port, "/user/login", login)["data"]["token"]
    frame = {"cmd": 10, "dstid": user_id, "media": 1, "content": "Still there?", "cid": "a new one"}
    call(server.port, "/message/send", frame, token=token)
    expect(at(page, "conversation-row").first).to_contain_text("Still there?")
    expect(at(page, "conversation-row").first.locator('[data-test="unread"]')).to_have_text("1")
    assert page.evaluate("[...window.touched]") == [f"10:{silent}"]

    # The same when a chat is opened, and when the list is narrowed down to one.
    page.evaluate("window.touched.clear()")
    at(page, "conversation-row").first.click()
    expect(at(page, "unread")).to_have_count(0)
    assert page.evaluate("[...window.touched]") == [f"10:{silent}"]
    page.get_by_placeholder("Search chats").fill(f"user {friends[500]}")
    expect(at(page, "conversation-row")).to_have_count(1)

    # One of a thousand friends is found and invited; what invites him is in view all the time.
    at(page, "tab-communities").click()
    at(page, "community-new").click()
    at(page, "community-name").fill("Sunday hikers")
    at(page, "community-create").click()
    expect(at(page, "chat-title")).to_have_text("Sunday hikers")
    at(page, "tab-communities").click()
    page.locator(".list-row", has_text="Sunday hikers").click()
    at(page, "community-invite").click()
    expect(at(page, "invite-friend")).to_have_count(CHATS)
    expect(at(page, "invite-submit")).to_be_in_viewport(ratio=1)
    at(page, "invite-search").fill(f"user {friends[500]}")
    expect(at(page, "invite-friend")).to_have_count(1)
    at(page, "invite-friend").check()
    at(page, "invite-search").fill("")
    expect(at(page, "invite-submit")).to_contain_text("(1)")
    at(page, "invite-submit").click()
    expect(at(page, "community-info")).to_contain_text("2 members")
