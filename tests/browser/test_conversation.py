"""What two people do with messages, at a desk and on a phone: reply, react, edit, recall, name, and see it live."""

import re

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.test_two_people import at, message, write
from tests.fixtures.browser import OpenPage
from tests.fixtures.server import StartServer
from tests.people import PASSWORD, Person

UNREAD = 60  # more than the first page of a chat
PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True, "locale": "zh-CN"}

# It is shown for a few seconds only: whoever looks later would miss it.
WATCH_FOR_TYPING = """() => {
  const header = document.querySelector('[data-test="chat-header"]')
  window.typingSeen = new Promise((seen) => {
    const look = () => header.textContent.includes('正在输入') && seen(true)
    new MutationObserver(look).observe(header, { subtree: true, childList: true, characterData: true })
  })
}"""


def log_in(page: Page, person: Person) -> None:
    page.goto("/login")
    at(page, "login-mobile").fill(person.mobile)
    at(page, "login-passwd").fill(PASSWORD)
    at(page, "login-submit").click()


def open_chat(page: Page, title: str) -> None:
    at(page, "conversation-row").filter(has=page.locator('[data-test="conversation-title"]', has_text=title)).click()
    expect(at(page, "chat-title")).to_have_text(title)


def long_press(page: Page, target: Locator) -> None:
    """A finger that stays until the menu is there."""
    box = target.bounding_box()
    assert box
    point = {"x": box["x"] + box["width"] / 2, "y": box["y"] + box["height"] / 2}
    finger = page.context.new_cdp_session(page)
    finger.send("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": [point]})
    expect(at(page, "menu")).to_be_visible()
    finger.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    finger.detach()


@pytest.mark.timeout(180)
def test_what_two_people_do_with_messages(start_server: StartServer, open_page: OpenPage) -> None:
    server = start_server()
    ann, ben = Person(server.port, "Ann"), Person(server.port, "小明")
    ann.befriend(ben)
    for number in range(UNREAD):
        ben.say(ann.user_id, f"Note {number}.")
    community_id = ann.data("/contact/createcommunity", name="Sunday hikers")["id"]
    ben.call("/contact/joincommunity", dstid=community_id)
    desk, phone = open_page(server.base_url, locale="en-GB"), open_page(server.base_url, **PHONE)
    log_in(desk, ann)
    log_in(phone, ben)
    open_chat(desk, "小明")
    open_chat(phone, "Ann")
    expect(at(desk, "chat-subtitle")).to_have_text("online")

    # Reading begins at the first unread message, and is told at the last one.
    expect(message(desk, "Note 0.")).to_be_in_viewport()
    expect(at(desk, "jump")).to_contain_text(str(UNREAD))
    at(desk, "jump").click()
    expect(at(desk, "unread")).to_have_count(1)  # that of the community
    expect(message(phone, f"Note {UNREAD - 1}.")).to_have_attribute("data-state", "read")

    # Typing, and the tick that says read.
    phone.evaluate(WATCH_FOR_TYPING)
    at(desk, "composer").press_sequentially("Shall we")
    assert phone.evaluate("window.typingSeen")
    write(desk, "Shall we meet at noon?")
    expect(message(desk, "Shall we meet at noon?")).to_have_attribute("data-state", "read")

    # A reply, by a long press.
    long_press(phone, message(phone, "Shall we meet at noon?").locator(".bubble"))
    at(phone, "menu-reply").tap()
    write(phone, "好的，桥上见")
    expect(message(desk, "好的，桥上见").locator('[data-test="quote-text"]')).to_have_text("Shall we meet at noon?")

    # A reaction, and the same from the other side.
    message(desk, "好的，桥上见").hover()
    message(desk, "好的，桥上见").locator('[data-test="message-menu"]').click()
    at(desk, "quick-emoji").first.click()
    at(phone, "reaction").tap()
    expect(at(desk, "reaction")).to_have_text("👍2")
    expect(at(desk, "reaction")).to_have_attribute("aria-pressed", "true")

    # A sticker.
    at(phone, "emoji-open").tap()
    at(phone, "sticker-tab").first.tap()
    at(phone, "sticker").first.tap()
    expect(at(desk, "message-sticker")).to_be_visible()

    # An edit, by the keyboard; the quote follows.
    at(desk, "composer").press("ArrowUp")
    expect(at(desk, "editing")).to_be_visible()
    write(desk, "Shall we meet at one?")
    expect(message(phone, "Shall we meet at one?").locator('[data-test="edited"]')).to_be_visible()
    expect(at(phone, "quote-text")).to_have_text("Shall we meet at one?")

    # A recall, by the keyboard.
    write(desk, "Wrong chat, sorry")
    expect(message(phone, "Wrong chat, sorry")).to_be_visible()
    message(desk, "Wrong chat, sorry").focus()
    desk.keyboard.press("Enter")
    at(desk, "menu-recall").click()
    at(desk, "confirm").click()
    expect(at(phone, "gone")).to_be_visible()
    expect(message(phone, "Wrong chat, sorry")).to_have_count(0)

    # Somebody is named in a community, and who has read it is told.
    at(phone, "chat-back").tap()
    open_chat(desk, "Sunday hikers")
    at(desk, "composer").press_sequentially("Careful, @小")
    expect(at(desk, "mention-option")).to_have_count(1)
    at(desk, "composer").press("Enter")
    at(desk, "composer").press_sequentially("snow!")
    at(desk, "composer").press("Enter")
    expect(at(phone, "mentioned")).to_be_visible()
    open_chat(phone, "Sunday hikers")
    expect(at(phone, "mention")).to_have_text("@小明")
    expect(at(phone, "unread")).to_have_count(0)
    message(desk, "Careful").locator(".bubble").click(button="right")
    at(desk, "menu-readers").click()
    expect(at(desk, "readers")).to_contain_text("小明")
    desk.keyboard.press("Escape")

    # Pinned and muted for oneself.
    for choice in ("menu-pin", "menu-mute"):
        at(desk, "chat-menu").click()
        at(desk, choice).click()
        expect(at(desk, "menu")).to_have_count(0)
    expect(at(desk, "conversation-row").first).to_contain_text("Sunday hikers")

    # All of it is there again.
    at(phone, "chat-back").tap()
    for page, title in ((desk, "小明"), (phone, "Ann")):
        page.reload()
        open_chat(page, title)
        expect(message(page, "Shall we meet at one?").first).to_be_visible()
        expect(at(page, "reaction")).to_have_text("👍2")
        expect(at(page, "edited")).to_be_visible()
        expect(at(page, "gone")).to_be_visible()
        expect(at(page, "quote-text")).to_have_text("Shall we meet at one?")
    expect(message(desk, "Shall we meet at one?").first).to_have_attribute("data-state", "read")
    expect(at(desk, "conversation-row").first).to_contain_text(re.compile("Sunday hikers"))
