"""A page that was open before the server was restored from a backup shows what the backup holds, and goes on."""

import pytest
from playwright.sync_api import expect

from tests.browser.test_two_people import at, befriend, message, register, write
from tests.fixtures.browser import OpenPage
from tests.fixtures.server import Server, StartServer
from tests.test_cli import run


def tool(server: Server, *arguments: str) -> None:
    done = run(
        server.folder,
        *arguments,
        IMTORNADO_STORAGE_URL=server.storage_url,
        IMTORNADO_UPLOADS_FOLDER=f"{server.folder}/resource",
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.timeout(180)
def test_an_open_page_fetches_everything_again(start_server: StartServer, open_page: OpenPage) -> None:
    server = start_server()
    ann, ben = open_page(server.base_url, locale="en-GB"), open_page(server.base_url, locale="zh-CN")
    register(ann, "Ann", "13500000001")
    register(ben, "小明", "13500000002")
    befriend(ann, "13500000002", ben)
    at(ann, "tab-contacts").click()
    at(ann, "contact-row").filter(has_text="小明").click()
    at(ann, "person-message").click()
    write(ann, "Before the backup")
    at(ben, "tab-chats").click()
    at(ben, "conversation-row").filter(has_text="Ann").click()
    expect(message(ben, "Before the backup")).to_be_visible()

    tool(server, "backup", "b.tar")
    write(ann, "After the backup")
    write(ben, "这条会丢失")
    expect(message(ben, "After the backup")).to_be_visible()
    expect(message(ann, "这条会丢失")).to_be_visible()

    server.stop()
    tool(server, "restore", "b.tar", "--replace")
    server.restart()
    for page in (ann, ben):
        expect(message(page, "After the backup")).to_have_count(0, timeout=60_000)
        expect(message(page, "这条会丢失")).to_have_count(0)
        expect(message(page, "Before the backup")).to_be_visible()
    write(ben, "又可以说话了")  # it takes the place of a message that was lost
    expect(message(ann, "又可以说话了")).to_have_count(1, timeout=60_000)
    write(ann, "Good")
    expect(message(ben, "Good")).to_have_count(1, timeout=60_000)
    ann.reload()
    at(ann, "conversation-row").filter(has_text="小明").click()
    expect(at(ann, "message")).to_have_count(3)
