"""The server's database stands still while people write: what they wrote waits in its place, and goes by itself."""

import pytest
from playwright.sync_api import Page, expect

from tests.browser.test_conversation import PHONE, log_in, open_chat
from tests.browser.test_two_people import at, message, write
from tests.faults.outside import OUTAGE
from tests.fixtures.browser import OpenPage
from tests.fixtures.mariadb import MariaDB
from tests.fixtures.server import StartServer
from tests.people import Person

WRITTEN = ["Before", "While it stands still", "And still", "The last of them"]


def shown(page: Page) -> list[str]:
    return [text.strip() for text in at(page, "message-text").all_text_contents()]


@pytest.mark.timeout(240)
def test_messages_wait_for_the_database(own_mariadb: MariaDB, start_server: StartServer, open_page: OpenPage) -> None:
    server = start_server(f"storage.url={own_mariadb.url()}", "caches.sessions=0")
    server.expect_log(OUTAGE)
    ann, ben = Person(server.port, "Ann"), Person(server.port, "小明")
    ann.befriend(ben)
    ann.say(ben.user_id, WRITTEN[0])
    desk, phone = open_page(server.base_url, locale="en-GB"), open_page(server.base_url, **PHONE)
    log_in(desk, ann)
    log_in(phone, ben)
    open_chat(desk, "小明")
    open_chat(phone, "Ann")
    expect(message(desk, WRITTEN[0])).to_have_attribute("data-state", "read")

    own_mariadb.stop()
    try:
        for text in WRITTEN[1:]:
            write(desk, text)
        expect(at(desk, "connection-state")).to_contain_text("Yours are kept here")
        expect(at(desk, "connection-state")).to_be_in_viewport()
        for text in WRITTEN[1:]:
            expect(message(desk, text)).to_have_attribute("data-state", "sending")
        assert shown(desk) == WRITTEN
        expect(at(desk, "send-failure")).to_have_count(0)
        expect(at(phone, "message")).to_have_count(1)
        # A page that is opened meanwhile finds no way in, and tries again by itself.
        late = desk.context.new_page()
        late.goto("/")
        expect(late.get_by_text("The server does not answer.")).to_be_visible()
    finally:
        own_mariadb.cont()

    for page in (desk, phone):
        expect(at(page, "message")).to_have_count(len(WRITTEN))
    expect(message(desk, WRITTEN[-1])).to_have_attribute("data-state", "read")
    expect(at(desk, "connection-state")).to_have_text("Connected")
    open_chat(late, "小明")
    expect(at(late, "message")).to_have_count(len(WRITTEN))
    desk.reload()
    open_chat(desk, "小明")
    expect(at(desk, "message")).to_have_count(len(WRITTEN))
    assert shown(desk) == shown(phone) == WRITTEN
