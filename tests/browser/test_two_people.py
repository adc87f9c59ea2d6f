"""The main job, played by two people in two browsers: meet, chat alone and in a group, send a picture, come back."""

from pathlib import Path

import pytest
from playwright.sync_api import Dialog, Locator, Page, expect

from tests.fixtures.browser import OpenPage
from tests.fixtures.server import StartServer
from tests.pictures import encoded, grainy

PASSWORD = "correct horse 7"


def at(page: Page, name: str) -> Locator:
    return page.locator(f'[data-test="{name}"]')


def register(page: Page, nickname: str, mobile: str) -> None:
    page.goto("/register")
    at(page, "register-nickname").fill(nickname)
    at(page, "register-mobile").fill(mobile)
    at(page, "register-passwd").fill(PASSWORD)
    at(page, "register-submit").click()
    expect(at(page, "tab-chats")).to_be_visible()


def write(page: Page, text: str) -> None:
    at(page, "composer").fill(text)
    at(page, "composer").press("Enter")


def message(page: Page, text: str) -> Locator:
    return at(page, "message").filter(has_text=text)


def befriend(asker: Page, mobile: str, asked: Page) -> None:
    at(asker, "tab-contacts").click()
    at(asker, "contact-new").click()
    at(asker, "contact-search").fill(mobile)
    at(asker, "contact-find").click()
    at(asker, "contact-add").click()
    at(asked, "tab-contacts").click()
    at(asked, "requests").click()
    at(asked, "request-accept").click()


@pytest.mark.timeout(180)
def test_two_people_and_a_restart(start_server: StartServer, open_page: OpenPage, tmp_path: Path) -> None:
    server = start_server()
    ann, ben = open_page(server.base_url, locale="en-GB"), open_page(server.base_url, locale="zh-CN")
    register(ann, "Ann", "13500000001")
    register(ben, "小明", "13500000002")

    befriend(ann, "13500000002", ben)
    at(ann, "tab-contacts").click()
    at(ann, "contact-row").filter(has_text="小明").click()
    at(ann, "person-message").click()
    write(ann, "Hello 小明 🎉")
    expect(message(ann, "Hello 小明 🎉")).to_be_visible()
    at(ben, "tab-chats").click()
    row = at(ben, "conversation-row").filter(has_text="Ann")
    expect(row.locator('[data-test="unread"]')).to_have_text("1")
    row.click()
    expect(message(ben, "Hello 小明 🎉")).to_be_visible()
    write(ben, "你好，Ann！")
    expect(message(ann, "你好，Ann！")).to_be_visible()
    expect(row.locator('[data-test="unread"]')).to_have_count(0)

    at(ann, "tab-communities").click()
    at(ann, "community-new").click()
    at(ann, "community-name").fill("Sunday hikers")
    at(ann, "community-create").click()
    expect(at(ann, "chat-title")).to_have_text("Sunday hikers")
    at(ben, "tab-communities").click()
    at(ben, "community-join-open").click()
    at(ben, "community-search").fill("Sunday")
    at(ben, "community-find").click()
    at(ben, "community-join").click()
    expect(at(ben, "chat-title")).to_have_text("Sunday hikers")
    expect(at(ann, "system-line").filter(has_text="小明 joined")).to_be_visible()
    write(ben, "Where do we meet?")
    expect(message(ann, "Where do we meet?")).to_be_visible()

    picture = tmp_path / "hill.png"
    picture.write_bytes(encoded(grainy(640, 400), "PNG"))
    at(ann, "upload-input").set_input_files(picture)
    at(ann, "files-send").click()
    shown = at(ben, "picture").locator("img").last
    expect(shown).to_be_visible()
    ben.wait_for_function("image => image.complete && image.naturalWidth > 100", arg=shown.element_handle())

    server.kill()
    expect(at(ann, "connection-state")).to_be_visible()
    write(ann, "Written while the server was away")
    server.restart()
    expect(message(ben, "Written while the server was away")).to_be_visible(timeout=40_000)
    expect(message(ann, "Written while the server was away")).to_have_count(1)

    for page in (ann, ben):
        page.reload()
        at(page, "conversation-row").filter(has_text="Sunday hikers").click()
        expect(message(page, "Where do we meet?")).to_be_visible()
        expect(message(page, "Written while the server was away")).to_have_count(1)
        expect(at(page, "picture").last).to_be_visible()


def test_a_wrong_password_is_told_beside_the_form(start_server: StartServer, open_page: OpenPage) -> None:
    server = start_server()
    page = open_page(server.base_url, locale="zh-CN")
    register(page, "小红", "13500000003")
    other = open_page(server.base_url, locale="zh-CN")
    other.goto("/login")
    at(other, "login-mobile").fill("13500000003")
    at(other, "login-passwd").fill("not the horse")
    at(other, "login-submit").click()
    expect(at(other, "login-problem")).to_be_visible()
    at(other, "login-passwd").fill(PASSWORD)
    at(other, "login-submit").click()
    expect(at(other, "tab-me")).to_be_visible()


def test_text_stays_text(start_server: StartServer, open_page: OpenPage) -> None:
    """Scripts in every text that others see: names, messages, communities."""
    server = start_server("contacts.confirm=no")
    page = open_page(server.base_url)
    dialogs: list[str] = []

    def refuse(dialog: Dialog) -> None:
        dialogs.append(dialog.message)
        dialog.dismiss()

    page.on("dialog", refuse)
    attack = "<img src=x onerror=alert(1)>"
    register(page, "<b>x</b>", "13500000004")
    at(page, "conversation-row").first.click()
    for text in (attack, "<script>alert(2)</script>", "javascript:alert(3)", "{{7*7}}", '"><svg onload=alert(4)>'):
        write(page, text)
        expect(at(page, "message-text").last).to_have_text(text)
    at(page, "tab-communities").click()
    at(page, "community-new").click()
    at(page, "community-name").fill(attack)
    at(page, "community-create").click()
    expect(at(page, "chat-title")).to_have_text(attack)
    assert page.locator("img[src=x], b").count() == 0
    assert dialogs == []
