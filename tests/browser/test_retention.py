"""Where the rest begins, once older messages were removed: at a desk and on a phone."""

from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.browser.test_two_people import at
from tests.fixtures.browser import OpenPage
from tests.handlers.house import open_house
from tests.handlers.test_retention import a_week_of_messages

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
        page = open_page(f"http://127.0.0.1:{house.port}", **context)
        page.context.add_cookies([{"name": "im_session", "value": token, "url": f"http://127.0.0.1:{house.port}"}])
        page.goto("/")
        at(page, "conversation-row").first.click()
        expect(at(page, "message-list")).to_contain_text("text 168")
        at(page, "message-list").evaluate("list => { list.scrollTop = 0 }")
        expect(at(page, "older-expired")).to_contain_text(told)
        expect(at(page, "message-list")).not_to_contain_text("text 100")
        page.context.close()
