"""What is seen and heard in the chat itself: voice notes, videos, pictures, faces."""

import re
from pathlib import Path

from playwright.sync_api import Route, expect

from tests.browser.attaching import attach, one_page, two_pages, wait_until
from tests.browser.test_conversation import log_in, open_chat
from tests.browser.test_two_people import at
from tests.fixtures.browser import OpenPage
from tests.fixtures.server import StartServer
from tests.media import mp4
from tests.pictures import encoded, grainy, quarters

# A second of a moving square, recorded by the browser itself: {name, bytes in base64}.
MAKE_VIDEO = """async () => {
  const canvas = document.createElement('canvas')
  Object.assign(canvas, { width: 320, height: 180 })
  const brush = canvas.getContext('2d')
  const recorder = new MediaRecorder(canvas.captureStream(20), { mimeType: 'video/webm;codecs=vp8' })
  const chunks = []
  recorder.ondataavailable = ({ data }) => chunks.push(data)
  const ended = new Promise((resolve) => (recorder.onstop = resolve))
  recorder.start()
  for (let step = 0; step < 20; step++) {
    brush.fillStyle = '#2d69a8'
    brush.fillRect(0, 0, 320, 180)
    brush.fillStyle = '#ffffff'
    brush.fillRect(step * 12, 60, 60, 60)
    await new Promise((resolve) => setTimeout(resolve, 60))
  }
  recorder.stop()
  await ended
  const bytes = new Uint8Array(await new Blob(chunks).arrayBuffer())
  return Array.from(bytes)
}"""

# [which player, whether it plays, where it stands in seconds], in the order of what happened.
WATCH_PLAYERS = """() => {
  window.played = []
  const watch = (changes) => {
    const players = [...document.querySelectorAll('[data-test="voice"]')]
    for (const { target } of changes) {
      const stands = Number(target.querySelector('input').value)
      window.played.push([players.indexOf(target), target.dataset.playing === 'true', stands])
    }
  }
  new MutationObserver(watch).observe(document.body, { subtree: true, attributeFilter: ['data-playing'] })
}"""

# The second is started as soon as the first one plays.
PLAY_BOTH = """() => {
  const [first, second] = document.querySelectorAll('[data-test="voice"]')
  const next = new MutationObserver(() => {
    if (Number(first.querySelector('input').value) < 0.1) return
    next.disconnect()
    second.querySelector('button').click()
  })
  next.observe(first, { subtree: true, attributes: true })
  first.querySelector('button').click()
}"""

# The user says no, or there is nothing to ask about: what browsers answer then.
REFUSE = "(name) => { navigator.mediaDevices.getUserMedia = () => Promise.reject(new DOMException('', name)) }"
INSECURE = "() => { Object.defineProperty(navigator, 'mediaDevices', { value: undefined }) }"


def test_a_voice_note_from_one_to_the_other(start_server: StartServer, open_page: OpenPage) -> None:
    server = start_server()
    desk, phone = two_pages(server, open_page)

    for page in (desk, phone):
        page.evaluate(WATCH_PLAYERS)

    # Thrown away: nothing is sent, and the text field is back.
    at(desk, "record").click()
    wait_until(desk, at(desk, "voice-clock"), "element.textContent >= '0:01'")
    desk.keyboard.press("Escape")
    expect(at(desk, "composer")).to_be_visible()

    # Recorded, heard, sent. The levels move with the beeps.
    for note in range(2):
        at(desk, "record").click()
        heard = "[...element.children].some(bar => parseFloat(bar.style.height) > 10)"
        wait_until(desk, at(desk, "voice-levels"), heard)
        wait_until(desk, at(desk, "voice-clock"), "element.textContent >= '0:02'")
        if note == 0:
            at(desk, "voice-stop").click()
            at(desk, "voice-bar").locator('[data-test="voice-toggle"]').click()
            desk.wait_for_function("() => window.played.length > 0")
        at(desk, "voice-send").click()
        expect(at(phone, "voice")).to_have_count(note + 1)

    # One can move in it, and only one plays at a time.
    first = at(phone, "voice").first
    expect(first.locator('[data-test="voice-time"]')).to_have_text(re.compile(r"0:0[2-9]|0:[1-5]\d"))
    first.locator('[data-test="voice-seek"]').fill("1")
    expect(first.locator('[data-test="voice-time"]')).to_have_text("0:01")
    assert phone.evaluate("window.played") == []
    for seek in at(phone, "voice-seek").all():
        seek.fill("0")
    phone.evaluate(PLAY_BOTH)
    phone.wait_for_function("() => window.played.length === 4")
    stopped = phone.evaluate("() => window.played.find(([player, playing]) => player === 0 && !playing)")
    assert stopped[2] > 0, "the first played on to its end"

    # After a reload it comes from the server.
    desk.reload()
    open_chat(desk, "小明")
    desk.evaluate(WATCH_PLAYERS)
    expect(at(desk, "voice")).to_have_count(2)
    at(desk, "voice-toggle").last.click()
    desk.wait_for_function("() => window.played.length === 2")


def test_why_nothing_can_be_recorded_is_told(start_server: StartServer, open_page: OpenPage) -> None:
    server = start_server()
    page, _ = one_page(server, open_page)
    for error, told in (("NotAllowedError", "The microphone is blocked"), ("NotFoundError", "No microphone was found")):
        page.evaluate(REFUSE, error)
        at(page, "record").click()
        expect(at(page, "toast").filter(has_text=told)).to_be_visible()
        expect(at(page, "composer")).to_be_visible()
    page.evaluate(INSECURE)
    at(page, "record").click()
    expect(at(page, "toast").filter(has_text="https://")).to_be_visible()


def test_a_video_has_a_poster_and_plays_in_its_place(
    start_server: StartServer, open_page: OpenPage, tmp_path: Path
) -> None:
    server = start_server()
    desk, phone = two_pages(server, open_page)
    clip = tmp_path / "clip.webm"
    clip.write_bytes(bytes(desk.evaluate(MAKE_VIDEO)))
    attach(desk, clip, any_kind=False)
    shown = at(phone, "video")
    expect(shown).to_be_visible()
    poster = shown.locator("img")
    wait_until(phone, poster, "element.complete && element.naturalWidth === 320 && element.naturalHeight === 180")
    expect(at(phone, "video-facts")).to_contain_text("KB")
    before = shown.bounding_box()
    shown.tap()
    player = at(phone, "video-player")
    wait_until(phone, player, "element.videoWidth === 320 && element.currentTime > 0.3 && !element.error")
    after = player.bounding_box()
    assert before
    assert after
    assert (round(before["width"]), round(before["height"])) == (round(after["width"]), round(after["height"]))

    # What no browser plays is there to be saved.
    odd = tmp_path / "odd.mp4"
    odd.write_bytes(mp4(telling=False))
    attach(desk, odd, any_kind=False)
    expect(at(phone, "message")).to_have_count(3)
    last = at(phone, "message").last
    last.locator('[data-test="video"]').tap()
    expect(last).to_contain_text("无法播放")
    with phone.expect_download() as download:
        last.locator('[data-test="file-download"]').tap()
    assert download.value.suggested_filename == "odd.mp4"
    assert Path(download.value.path()).read_bytes() == odd.read_bytes()


def test_a_face_is_cut_to_a_square_and_shown_small(
    start_server: StartServer, open_page: OpenPage, tmp_path: Path
) -> None:
    server = start_server()
    page, ben = one_page(server, open_page)
    photo = tmp_path / "face.png"
    photo.write_bytes(encoded(quarters(900, 600), "PNG"))
    at(page, "tab-me").click()
    at(page, "me-profile").click()
    at(page, "avatar-input").set_input_files(photo)
    crop = at(page, "crop")
    expect(crop).to_be_visible()
    wait_until(page, crop.locator("img"), "element.complete && element.naturalWidth === 900")
    # To the upper left corner, which is red.
    at(page, "crop-zoom").fill("2")
    crop.focus()
    for _ in range(30):
        page.keyboard.press("ArrowLeft")
        page.keyboard.press("ArrowUp")
    at(page, "crop-use").click()
    expect(crop).to_have_count(0)
    expect(page.locator(".person-head img")).to_be_visible()
    at(page, "me-save").click()
    expect(at(page, "toast")).to_be_visible()
    row = next(row for row in ben.rows("/contact/loadfriend") if row["nickname"] == "Ann")
    assert row["avatar"].startswith("/resource/")

    other = open_page(server.base_url, locale="zh-CN")
    log_in(other, ben)
    face = at(other, "conversation-row").filter(has_text="Ann").locator("img")
    wait_until(other, face, "element.complete && element.naturalWidth === 128 && element.naturalHeight === 128")
    color = """element => {
      const canvas = document.createElement('canvas')
      const brush = canvas.getContext('2d')
      brush.drawImage(element, 0, 0)
      return Array.from(brush.getImageData(64, 64, 1, 1).data)
    }"""
    red, green, blue, _ = face.evaluate(color)
    assert (red > 180, green < 60, blue < 60) == (True, True, True), (red, green, blue)


def test_a_picture_is_blurred_until_it_is_there_and_opens_large(
    start_server: StartServer, open_page: OpenPage, tmp_path: Path
) -> None:
    server = start_server()
    desk, phone = two_pages(server, open_page)
    files = []
    for name, size in (("one", (900, 600)), ("two", (600, 900))):
        files.append(tmp_path / f"{name}.jpg")
        files[-1].write_bytes(encoded(grainy(*size), "JPEG"))
    # Thumbnails and pictures wait until they are let go.
    held: list[Route] = []
    holding = True
    phone.route("**/resource/**", lambda route: held.append(route) if holding else route.continue_())
    attach(desk, *files, any_kind=False)
    expect(at(phone, "placeholder")).to_have_count(2)
    before = at(phone, "picture").first.bounding_box()
    holding = False
    for route in held:
        route.continue_()
    expect(at(phone, "placeholder")).to_have_count(0)
    assert at(phone, "picture").first.bounding_box() == before

    at(desk, "picture").first.click()
    large = at(desk, "picture-large")
    expect(large).to_be_visible()
    first = large.get_attribute("src")
    desk.keyboard.press("ArrowRight")
    expect(large).not_to_have_attribute("src", str(first))
    desk.keyboard.press("ArrowLeft")
    expect(large).to_have_attribute("src", str(first))
    desk.keyboard.press("Escape")
    expect(large).to_have_count(0)
    expect(at(desk, "composer")).to_be_visible()
