"""A chat of thousands of messages, read from its end to its beginning and back."""

import pytest
from playwright.sync_api import Page, expect

from imtornado.clock import Clock
from imtornado.drafts import MessageDraft
from imtornado.records import Kind
from storage.backends import open_store
from tests.browser.test_conversation import log_in, open_chat
from tests.browser.test_two_people import at, message, write
from tests.fixtures.browser import OpenPage
from tests.fixtures.server import Server, StartServer
from tests.people import Person

MANY = 1_200
MOST_IN_THE_DOCUMENT = 500

# Scrolls as a wheel does, until the message that is asked for is in view. Answers how many were in view on the way, how
# many were in the document at most, and how far at most one in view moved otherwise than it was scrolled.
SCROLL = """async ({ step, last }) => {
  const box = document.querySelector('[data-test="message-list"]')
  const seen = new Set()
  let most = 0, jumped = 0
  const frame = () => new Promise(requestAnimationFrame)
  while (!seen.has(last)) {
    const edge = box.getBoundingClientRect()
    const rows = [...box.querySelectorAll('article')]
    most = Math.max(most, rows.length)
    const inView = rows.filter((row) => {
      const { top, bottom } = row.getBoundingClientRect()
      return bottom > edge.top && top < edge.bottom
    })
    for (const row of inView) seen.add(Number(row.dataset.seq))
    const watched = inView[inView.length >> 1]
    const [top, at] = [watched.getBoundingClientRect().top, box.scrollTop]
    box.scrollTop = at + step
    const moved = box.scrollTop - at
    await frame()
    await frame()
    if (watched.isConnected) jumped = Math.max(jumped, Math.abs(top - moved - watched.getBoundingClientRect().top))
  }
  return { seen: seen.size, most, jumped }
}"""


def fill(server: Server, writer: Person, reader: Person, count: int = MANY) -> None:
    """A long chat, past the server; the writer's is every message."""
    store = open_store(server.storage_url, Clock())
    try:
        first = store.reserve_ids(count)
        for start in range(0, count, 400):
            drafts = [
                MessageDraft(
                    writer.user_id,
                    Kind.SINGLE,
                    reader.user_id,
                    f"t{n}",
                    1,
                    f"Note {n + 1}. " + "和 more words " * (n * 7 % 12),
                    message_id=first + n,
                )
                for n in range(start, min(count, start + 400))
            ]
            store.commit(drafts)
    finally:
        store.close()


def scrolled(page: Page, step: int, last: int) -> dict[str, int]:
    found: dict[str, int] = page.evaluate(SCROLL, {"step": step, "last": last})
    return found


@pytest.mark.timeout(240)
def test_a_long_chat_is_read_to_its_beginning_and_back(start_server: StartServer, open_page: OpenPage) -> None:
    server = start_server("contacts.confirm=no", "security.throttle=no", "search.enabled=no")
    ann, ben = Person(server.port, "Ann"), Person(server.port, "小明")
    ann.call("/contact/addfriend", dstid=ben.user_id)
    fill(server, ben, ann)
    page = open_page(server.base_url, locale="en-GB", viewport={"width": 1280, "height": 800})
    log_in(page, ann)
    open_chat(page, "小明")
    expect(message(page, f"Note {MANY}.")).to_be_in_viewport()

    # Every message comes into view on the way, nothing jumps, and few are in the document at any time.
    for step, last in ((-500, 1), (500, MANY)):
        found = scrolled(page, step, last)
        assert found["seen"] == MANY
        assert found["most"] <= MOST_IN_THE_DOCUMENT
        assert found["jumped"] <= 2

    # What comes while one reads far back waits at the end, and moves nothing.
    scrolled(page, -2000, 1)
    ben.say(ann.user_id, "Are you there?")
    expect(at(page, "jump")).to_contain_text("1")
    expect(message(page, "Note 1.").first).to_be_in_viewport()
    expect(message(page, "Are you there?")).to_have_count(0)
    at(page, "jump").click()
    expect(message(page, "Are you there?")).to_be_in_viewport()
    expect(at(page, "unread")).to_have_count(0)

    # Who writes while he reads far back sees what he wrote.
    scrolled(page, -2000, MANY - 900)
    write(page, "I am")
    expect(message(page, "I am")).to_be_in_viewport()
    expect(message(page, "I am")).to_have_attribute("data-state", "sent")
    expect(at(page, "jump")).to_have_count(0)


def test_who_reads_on_after_a_cut_stays_where_he_was(start_server: StartServer, open_page: OpenPage) -> None:
    server = start_server("contacts.confirm=no", "search.enabled=no")
    ann, ben = Person(server.port, "Ann"), Person(server.port, "小明")
    ann.call("/contact/addfriend", dstid=ben.user_id)
    fill(server, ben, ann, 350)  # more than are read at once to show where the unread begin
    page = open_page(server.base_url, locale="en-GB", viewport={"width": 1280, "height": 800})
    log_in(page, ann)
    open_chat(page, "小明")
    expect(message(page, "Note 350.")).to_be_in_viewport()

    page.route("**/message/history", lambda route: route.abort())
    at(page, "message-list").evaluate("box => { box.scrollTop = 0 }")
    expect(page.get_by_text("Messages could not be loaded.")).to_be_visible()
    top = at(page, "message").first
    expect(top).to_be_in_viewport()
    text = top.locator('[data-test="message-text"]').inner_text().partition(".")[0] + "."

    page.unroute("**/message/history")
    page.get_by_role("button", name="Try again").click()
    expect(page.get_by_text("Messages could not be loaded.")).to_have_count(0)
    expect(at(page, "message").first).not_to_contain_text(text)
    expect(message(page, text)).to_be_in_viewport()
    expect(message(page, "Note 350.")).not_to_be_in_viewport()
