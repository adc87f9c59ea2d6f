"""Two tabs of one browser hold the same unsent messages: none is lost, doubled or out of order, and none leaves from
one that was discarded in the other."""

import os
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Page, WebSocketRoute, expect

from tests.browser.attaching import attach, friends
from tests.browser.test_conversation import PHONE, log_in, open_chat
from tests.browser.test_two_people import at, message, write
from tests.browser.test_uploads import MB, slowed, wait_for_share
from tests.fixtures.browser import OpenPage
from tests.fixtures.server import Server, StartServer

WRITTEN = [f"Line {number} of the poem" for number in range(12)]


class Swallowing:
    """While it is `on`, messages that pages of the context send do not reach the server, and nobody is told."""

    def __init__(self, context: BrowserContext) -> None:
        self.on = True
        self.swallowed: list[str] = []
        context.route_web_socket("**/chat", self._connect)

    def _connect(self, socket: WebSocketRoute) -> None:
        server = socket.connect_to_server()

        def pass_on(text: str | bytes) -> None:
            if self.on and '"cid"' in str(text):
                self.swallowed.append(str(text))
            else:
                server.send(text)

        socket.on_message(pass_on)


def shown(page: Page) -> list[str]:
    return [text.strip() for text in at(page, "message-text").all_text_contents()]


def two_tabs(server: Server, open_page: OpenPage) -> tuple[Page, Page, Page, Swallowing]:
    """Ann's two tabs, the second still empty, and Ben's phone."""
    ann, ben = friends(server)
    first, phone = open_page(server.base_url, locale="en-GB"), open_page(server.base_url, **PHONE)
    swallowing = Swallowing(first.context)
    log_in(first, ann)
    log_in(phone, ben)
    open_chat(first, "小明")
    open_chat(phone, "Ann")
    return first, first.context.new_page(), phone, swallowing


@pytest.mark.timeout(240)
def test_both_send_what_waits_and_each_message_is_stored_once(start_server: StartServer, open_page: OpenPage) -> None:
    server = start_server()
    first, second, phone, swallowing = two_tabs(server, open_page)
    for text in WRITTEN:
        write(first, text)
    expect(at(first, "message")).to_have_count(len(WRITTEN) + 1)

    # A reload keeps what waits; another tab finds it too, and both try.
    first.reload()
    open_chat(first, "小明")
    second.goto("/")
    open_chat(second, "小明")
    for page in (first, second):
        expect(at(page, "message")).to_have_count(len(WRITTEN) + 1)
        for text in WRITTEN:
            expect(message(page, text)).to_have_attribute("data-state", "sending")
    assert len(swallowing.swallowed) >= 2 * len(WRITTEN)
    assert at(phone, "message").count() == 1

    # The server comes back to both at once.
    server.kill()
    swallowing.on = False
    server.restart()
    for page in (first, second, phone):
        expect(message(page, WRITTEN[-1])).to_be_visible()
    for page in (first, second):
        for text in WRITTEN:
            expect(message(page, text)).to_have_attribute("data-state", "read")
    for page in (first, second, phone):
        assert shown(page) == ["Listen", *WRITTEN]
    at(phone, "chat-back").tap()
    for page, title in ((first, "小明"), (second, "小明"), (phone, "Ann")):
        page.reload()
        open_chat(page, title)
    for page in (first, second, phone):
        expect(message(page, WRITTEN[-1])).to_be_visible()
        assert shown(page) == ["Listen", *WRITTEN]


@pytest.mark.timeout(180)
def test_what_is_discarded_in_one_does_not_leave_from_the_other(
    start_server: StartServer, open_page: OpenPage, tmp_path: Path
) -> None:
    server = start_server()
    first, second, phone, swallowing = two_tabs(server, open_page)
    swallowing.on = False
    file = tmp_path / "wrong.bin"
    file.write_bytes(os.urandom(9 * MB))
    slowed(first, MB // 4)
    attach(first, file)
    wait_for_share(first, 0.01)
    second.goto("/")
    open_chat(second, "小明")
    expect(at(second, "file-name")).to_have_text("wrong.bin")

    at(first, "upload-cancel").click()
    for page in (first, second):
        expect(at(page, "file")).to_have_count(0)
    write(second, "Sorry, the other one")
    expect(message(phone, "Sorry, the other one")).to_be_visible()
    assert at(phone, "file").count() == 0
    second.reload()
    open_chat(second, "小明")
    expect(message(second, "Sorry, the other one")).to_be_visible()
    expect(at(second, "file")).to_have_count(0)


@pytest.mark.timeout(180)
def test_a_browser_that_goes_offline_sends_when_it_is_back(start_server: StartServer, open_page: OpenPage) -> None:
    server = start_server()
    first, second, phone, swallowing = two_tabs(server, open_page)
    swallowing.on = False
    second.goto("/")
    open_chat(second, "小明")
    # Sockets that are routed do not notice it: the server goes away beneath them.
    first.context.set_offline(True)
    server.kill()
    for page in (first, second):
        expect(at(page, "connection-state")).to_contain_text("No connection")
    write(first, "From the first")
    write(second, "From the second")
    for page, text in ((first, "From the first"), (second, "From the second")):
        expect(message(page, text)).to_have_attribute("data-state", "sending")
    server.restart()
    first.context.set_offline(False)
    for page in (first, second, phone):
        expect(message(page, "From the first")).to_have_count(1)
        expect(message(page, "From the second")).to_have_count(1)
    assert shown(first) == shown(second) == shown(phone)
