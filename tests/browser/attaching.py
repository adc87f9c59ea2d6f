"""Two people in a chat, and files that one of them sends."""

from pathlib import Path

from playwright.sync_api import Locator, Page

from tests.browser.test_conversation import PHONE, log_in, open_chat
from tests.browser.test_two_people import at
from tests.fixtures.browser import OpenPage
from tests.fixtures.server import Server
from tests.people import Person


def friends(server: Server) -> tuple[Person, Person]:
    ann, ben = Person(server.port, "Ann"), Person(server.port, "小明")
    ann.befriend(ben)
    ann.say(ben.user_id, "Listen")
    return ann, ben


def two_pages(server: Server, open_page: OpenPage) -> tuple[Page, Page]:
    """Ann at a desk and Ben with a phone, each in the chat with the other."""
    ann, ben = friends(server)
    desk, phone = open_page(server.base_url, locale="en-GB"), open_page(server.base_url, **PHONE)
    for page, person, title in ((desk, ann, "小明"), (phone, ben, "Ann")):
        log_in(page, person)
        open_chat(page, title)
    return desk, phone


def one_page(server: Server, open_page: OpenPage) -> tuple[Page, Person]:
    ann, ben = friends(server)
    page = open_page(server.base_url, locale="en-GB")
    log_in(page, ann)
    open_chat(page, "小明")
    return page, ben


def attach(page: Page, *files: Path, any_kind: bool = True) -> None:
    at(page, "file-input" if any_kind else "upload-input").set_input_files(files)
    at(page, "files-send").click()


def wait_until(page: Page, locator: Locator, condition: str) -> None:
    page.wait_for_function(f"element => {condition}", arg=locator.element_handle())
