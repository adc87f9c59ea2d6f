"""For people who use a keyboard or a screen reader, or need contrast: names, targets, colours, focus, motion."""

from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser.attaching import friends
from tests.browser.test_conversation import PHONE, open_chat
from tests.browser.test_two_people import at, message
from tests.fixtures.browser import OpenPage
from tests.fixtures.server import StartServer
from tests.people import PASSWORD, Person

DESK: dict[str, Any] = {"viewport": {"width": 1280, "height": 800}, "locale": "en-GB", "color_scheme": "light"}
AT_NIGHT: dict[str, Any] = {**PHONE, "color_scheme": "dark"}

# What is wrong in what can be seen now, a line each. Colours are mixed by a canvas, which knows all ways to write them.
FAULTS = """() => {
  const faults = []
  const visible = (element) => element.checkVisibility({ opacityProperty: true, visibilityProperty: true })
  const told = ({ tagName, className, dataset, textContent }) =>
    `${tagName.toLowerCase()}.${className} ${dataset.test ?? ''} ${textContent.trim().slice(0, 40)}`
  const reached = 'button, a[href], input, textarea, select, [role=button], dialog, nav'
  const top = document.querySelector('dialog:modal') ?? document.body

  if (!document.documentElement.lang) faults.push('the page has no language')
  const ids = [...document.querySelectorAll('[id]')].map(({ id }) => id)
  for (const id of ids) if (ids.indexOf(id) !== ids.lastIndexOf(id)) faults.push(`id twice: ${id}`)
  for (const image of document.querySelectorAll('img:not([alt])')) faults.push(`no alt: ${told(image)}`)
  for (const element of document.querySelectorAll('[tabindex]'))
    if (element.tabIndex > 0) faults.push(`order by force: ${told(element)}`)

  for (const element of top.querySelectorAll(reached)) {
    if (!visible(element) || element.type === 'file' || element.closest('[aria-hidden=true]')) continue
    const by = element.getAttribute('aria-labelledby')
    const name =
      element.getAttribute('aria-label') ||
      (by && by.split(' ').map((id) => document.getElementById(id)?.textContent ?? '').join(' ')) ||
      [...(element.labels ?? [])].map((label) => label.textContent).join(' ') ||
      (['BUTTON', 'A'].includes(element.tagName) && element.textContent) ||
      ''
    if (!name.trim()) faults.push(`no name: ${told(element)}`)
    const { width, height } = element.getBoundingClientRect()
    const inline = getComputedStyle(element).display === 'inline'
    const pressed = ['BUTTON', 'INPUT', 'SELECT'].includes(element.tagName) && !inline && element.tabIndex >= 0
    if (pressed && (height < 20 || width < 24))
      faults.push(`small target, ${width} × ${height}: ${told(element)}`)
  }

  const canvas = Object.assign(document.createElement('canvas'), { width: 1, height: 1 })
  const context = canvas.getContext('2d', { willReadFrequently: true })
  const pixel = (...layers) => {
    context.fillStyle = '#fff'
    context.fillRect(0, 0, 1, 1)
    for (const layer of layers) {
      context.fillStyle = layer
      context.fillRect(0, 0, 1, 1)
    }
    return [...context.getImageData(0, 0, 1, 1).data].slice(0, 3)
  }
  const light = (rgb) => {
    const linear = (value) => (value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4)
    const [r, g, b] = rgb.map((value) => linear(value / 255))
    return 0.2126 * r + 0.7152 * g + 0.0722 * b
  }
  const walk = document.createTreeWalker(top, NodeFilter.SHOW_TEXT)
  for (let node = walk.nextNode(); node; node = walk.nextNode()) {
    const element = node.parentElement
    if (!node.textContent.trim() || !visible(element) || element.closest('.unseen, :disabled, svg')) continue
    if (/^[\\p{Extended_Pictographic}\\s]+$/u.test(node.textContent)) continue
    const backs = []
    for (let up = element; up; up = up.parentElement) backs.unshift(getComputedStyle(up).backgroundColor)
    const { color, fontSize, fontWeight } = getComputedStyle(element)
    const [one, other] = [light(pixel(...backs, color)), light(pixel(...backs))].sort((a, b) => b - a)
    const large = parseFloat(fontSize) >= 24 || (parseFloat(fontSize) >= 18.6 && Number(fontWeight) >= 700)
    const contrast = (one + 0.05) / (other + 0.05)
    if (contrast < (large ? 3 : 4.5)) faults.push(`contrast ${contrast.toFixed(2)}: ${told(element)}`)
  }
  return [...new Set(faults)]
}"""


def assert_accessible(page: Page) -> None:
    assert page.evaluate(FAULTS) == []


def focused(page: Page) -> str:
    name: str = page.evaluate("document.activeElement?.dataset.test ?? document.activeElement?.tagName ?? ''")
    return name


@pytest.mark.parametrize("context", [DESK, AT_NIGHT], ids=["desk by day", "phone by night"])
@pytest.mark.timeout(180)
def test_names_targets_and_contrast(start_server: StartServer, open_page: OpenPage, context: dict[str, Any]) -> None:
    server = start_server("security.throttle=no")
    ann, ben = friends(server)
    room = ann.data("/contact/createcommunity", name="Sunday hikers")["id"]
    ben.call("/contact/joincommunity", dstid=room)
    ben.say(room, "See https://example.org, @Ann", cmd=11)
    ann.say(ben.user_id, "I do 👍")
    ben.say(ann.user_id, "And so on")
    page = open_page(server.base_url, **context)
    handy = context is AT_NIGHT

    for path in ("/login", "/register"):
        page.goto(path)
        form = path.strip("/")
        expect(at(page, f"{form}-submit")).to_be_visible()
        assert_accessible(page)
        at(page, f"{form}-submit").click()
        expect(page.locator("[aria-invalid=true]").first).to_be_visible()
        assert_accessible(page)
    page.goto("/login")
    at(page, "login-mobile").fill(ann.mobile)
    at(page, "login-passwd").fill(PASSWORD)
    at(page, "login-submit").click()
    expect(at(page, "conversation-row")).to_have_count(3)
    assert_accessible(page)

    for title in ("小明", "Sunday hikers"):
        open_chat(page, title)
        expect(at(page, "message").last).to_be_visible()
        assert_accessible(page)
        at(page, "chat-menu").click()
        expect(at(page, "menu")).to_be_visible()
        assert_accessible(page)
        page.keyboard.press("Escape")
        at(page, "emoji-open").click()
        expect(at(page, "sticker-tab").first).to_be_visible()
        assert_accessible(page)
        page.keyboard.press("Escape")
        at(page, "chat-search").click()
        at(page, "search-field").fill("nobody said this")
        expect(at(page, "search-nothing")).to_be_visible()
        assert_accessible(page)
        at(page, "search-close").click()
        if handy:
            at(page, "chat-back").click()

    for tab in ("contacts", "communities", "me"):
        at(page, f"tab-{tab}").click()
        expect(at(page, f"tab-{tab}")).to_have_attribute("aria-current", "page")
        assert_accessible(page)


WRONG = """<div style="position: fixed; top: 0"><button></button><input><img src="data:,"><i id="a"></i>
<i id="a" tabindex="3">x</i><p style="color: #999; background: #fff">pale</p>
<p style="background: rgb(0 0 0 / 50%); color: #777">veil</p></div>"""


def test_the_checks_notice_what_is_wrong(start_server: StartServer, open_page: OpenPage) -> None:
    page = open_page(start_server().base_url, bypass_csp=True, **DESK)
    page.goto("/login")
    expect(at(page, "login-submit")).to_be_visible()
    page.evaluate("html => document.body.insertAdjacentHTML('beforeend', html)", WRONG)
    faults = page.evaluate(FAULTS)
    found = [fault.partition(":")[0] for fault in faults]
    for wrong in ("id twice", "no alt", "order by force", "no name", "small target, 0 × 0"):
        assert wrong in found
    assert [fault for fault in faults if fault.startswith("contrast") and fault.endswith(("pale", "veil"))] == faults[
        -2:
    ]


@pytest.mark.timeout(120)
def test_everything_by_keyboard(start_server: StartServer, open_page: OpenPage) -> None:
    server = start_server()
    ann, _ = friends(server)
    page = open_page(server.base_url, reduced_motion="reduce", **DESK)
    keyboard = page.keyboard
    page.goto("/login")
    expect(at(page, "login-mobile")).to_be_focused()
    keyboard.type(ann.mobile)
    keyboard.press("Tab")
    keyboard.type(PASSWORD)
    keyboard.press("Enter")
    row = at(page, "conversation-row").filter(has_text="小明")
    expect(row).to_be_visible()

    row.focus()
    keyboard.press("Enter")
    expect(at(page, "composer")).to_be_focused()
    keyboard.type("First line")
    keyboard.press("Shift+Enter")
    keyboard.type("second line")
    expect(at(page, "message")).to_have_count(1)
    keyboard.press("Enter")
    expect(message(page, "First line\nsecond line")).to_be_visible()
    expect(at(page, "composer")).to_have_value("")
    expect(at(page, "composer")).to_be_focused()

    # What is opened takes the focus, and gives it back to where it was opened.
    at(page, "chat-menu").focus()
    keyboard.press("Enter")
    expect(at(page, "menu")).to_be_visible()
    assert focused(page).startswith("menu-")
    keyboard.press("Escape")
    expect(at(page, "menu")).to_have_count(0)
    expect(at(page, "chat-menu")).to_be_focused()
    keyboard.press("Control+k")
    expect(at(page, "search-field")).to_be_focused()
    keyboard.press("Escape")
    expect(at(page, "chat-menu")).to_be_focused()

    # Tab stops once in the list of messages, however many there are; who asked for rest sees nothing move.
    message(page, "First line").focus()
    keyboard.press("ArrowUp")
    expect(message(page, "Listen")).to_be_focused()
    keyboard.press("Tab")
    assert not page.evaluate("document.activeElement.closest('article')")
    moving = "document.getAnimations().filter(({ effect }) => effect.getComputedTiming().duration > 10).length"
    assert page.evaluate(moving) == 0

    # Esc leaves the chat.
    at(page, "composer").focus()
    keyboard.press("Escape")
    expect(at(page, "composer")).to_have_count(0)


def test_a_newcomer_is_told_how_to_begin(start_server: StartServer, open_page: OpenPage) -> None:
    server = start_server("contacts.confirm=no")
    page = open_page(server.base_url, **DESK)
    ann = Person(server.port, "Ann")
    page.goto("/login")
    at(page, "login-mobile").fill(ann.mobile)
    at(page, "login-passwd").fill(PASSWORD)
    at(page, "login-submit").click()
    expect(at(page, "conversation-row")).to_have_count(1)  # the notebook
    expect(at(page, "no-chats")).to_contain_text("Add a friend or join a community")
    ben = Person(server.port, "Ben")
    ben.call("/contact/addfriend", dstid=ann.user_id)
    ben.say(ann.user_id, "Hello")
    expect(at(page, "conversation-row")).to_have_count(2)
    expect(at(page, "no-chats")).to_have_count(0)
