"""Files on their way: names and bytes kept, refusals told, cuts and reloads survived, stopped and tried again."""

import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, Request, expect

from tests.browser.attaching import attach, two_pages
from tests.browser.test_conversation import open_chat
from tests.browser.test_two_people import at
from tests.fixtures.browser import OpenPage
from tests.fixtures.server import Server, StartServer

MB = 1 << 20


def test_files_of_any_kind_keep_their_names_and_bytes(
    start_server: StartServer, open_page: OpenPage, tmp_path: Path
) -> None:
    server = start_server("uploads.max_file_bytes=3000000", "uploads.user_bytes=5000000")
    desk, phone = two_pages(server, open_page)
    names = (
        "预算 2026.xlsx",
        "a very long name that nobody can read in one line of a phone, whatever it is.zip",
        "no suffix",
    )
    files = [tmp_path / name for name in names]
    for file in files:
        file.write_bytes(os.urandom(200_000))
    attach(desk, *files)
    expect(at(phone, "file")).to_have_count(len(files))
    expect(at(phone, "file-size").first).to_have_text("195 KB")
    for file in files:
        card = at(phone, "file").filter(has=phone.locator(f'[data-test="file-name"][title="{file.name}"]'))
        with phone.expect_download() as download:
            card.locator('[data-test="file-download"]').tap()
        assert download.value.suggested_filename == file.name
        assert Path(download.value.path()).read_bytes() == file.read_bytes()

    # The same bytes under another name: at once, and without sending them.
    sent: list[str] = []
    desk.on("request", lambda request: sent.append(request.url))
    again = tmp_path / "copy.bin"
    again.write_bytes(files[0].read_bytes())
    attach(desk, again)
    expect(at(phone, "file")).to_have_count(len(files) + 1)
    expect(at(phone, "file-name").last).to_have_text("copy.bin")
    assert any(url.endswith("/attach/probe") for url in sent)
    assert not [url for url in sent if url.endswith(("/attach/upload", "/attach/tus"))]

    # What cannot be sent is told before anything is sent.
    sent.clear()
    for name, content, told in (
        ("big.bin", bytes(3_000_001), "too large"),
        ("page.txt", b"  <!doctype html>", "ZIP"),
        ("nothing.txt", b"", "is empty"),
    ):
        (tmp_path / name).write_bytes(content)
        at(desk, "file-input").set_input_files(tmp_path / name)
        expect(at(desk, "toast").filter(has_text=told)).to_be_visible()
    assert not [url for url in sent if "/attach/" in url]

    # What only the server knows is told beside the message, which waits there.
    for index in range(2):
        (tmp_path / f"part{index}.bin").write_bytes(os.urandom(2_500_000))
        attach(desk, tmp_path / f"part{index}.bin")
    expect(at(desk, "send-failure")).to_be_visible()
    expect(at(phone, "file-name").last).to_have_text("part0.bin")
    at(desk, "discard").click()
    expect(at(desk, "send-failure")).to_have_count(0)


def slowed(page: Page, bytes_per_s: int) -> Callable[[int], None]:
    """Uploads of the page are slow from now on; the answer sets another rate, -1 for none."""
    line = page.context.new_cdp_session(page)
    line.send("Network.enable")

    def limit(rate: int) -> None:
        condition = {"offline": False, "latency": 0, "downloadThroughput": -1, "uploadThroughput": rate}
        line.send("Network.emulateNetworkConditions", condition)

    limit(bytes_per_s)
    return limit


def arrived_bytes(server: Server) -> int:
    """Of resumable uploads that are not complete."""
    return sum(file.stat().st_size for file in (server.folder / "resource" / ".resumable").glob("*"))


def wait_for_share(page: Page, share: float) -> None:
    page.wait_for_function(f"() => document.querySelector('[data-test=upload-progress]')?.value >= {share}")


@pytest.mark.timeout(240)
def test_a_large_file_goes_on_after_a_cut_and_after_a_reload(
    start_server: StartServer, open_page: OpenPage, tmp_path: Path
) -> None:
    server = start_server()
    desk, phone = two_pages(server, open_page)
    large = tmp_path / "holiday.zip"
    large.write_bytes(os.urandom(20 * MB))
    offsets: list[int] = []

    def note(request: Request) -> None:
        if request.method == "PATCH":
            offsets.append(int(request.headers["upload-offset"]))

    desk.on("request", note)
    limit = slowed(desk, 3 * MB // 2)
    attach(desk, large)
    wait_for_share(desk, 0.2)
    expect(at(desk, "file-size")).to_contain_text("% of 20.0 MB")

    # The server is killed in the middle, and comes back.
    server.kill()
    expect(at(desk, "connection-state")).to_be_visible()
    expect(at(desk, "file-size")).to_have_text("Waiting for a connection")
    kept = arrived_bytes(server)
    assert 0 < kept < large.stat().st_size
    limit(MB)
    server.restart()
    wait_for_share(desk, (kept + MB) / large.stat().st_size)
    assert offsets[-1] >= kept, "it began anew"

    # And the page is left in the middle.
    offsets.clear()
    desk.reload()
    limit(-1)
    open_chat(desk, "小明")
    expect(at(phone, "file")).to_be_visible(timeout=90_000)
    assert offsets, "it was not left in the middle"
    assert offsets[0] > kept, "it began anew"
    with phone.expect_download() as download:
        at(phone, "file-download").tap()
    assert (
        hashlib.sha256(Path(download.value.path()).read_bytes()).digest() == hashlib.sha256(large.read_bytes()).digest()
    )
    expect(at(desk, "file")).to_have_count(1)


@pytest.mark.timeout(180)
def test_uploads_are_stopped_and_tried_again(start_server: StartServer, open_page: OpenPage, tmp_path: Path) -> None:
    server = start_server()
    desk, phone = two_pages(server, open_page)
    limit = slowed(desk, MB // 4)
    files = [tmp_path / f"{name}.bin" for name in ("first", "second", "third")]
    for file in files:
        file.write_bytes(os.urandom(9 * MB))
    attach(desk, *files)

    # Two at once, the third waits; each can be stopped, and leaves nothing behind.
    expect(at(desk, "upload-progress")).to_have_count(3)
    expect(at(desk, "file-size").last).to_have_text("Waiting…")
    wait_for_share(desk, 0.01)
    at(desk, "upload-cancel").first.click()
    expect(at(desk, "upload-progress")).to_have_count(2)
    expect(at(desk, "file-size").last).to_contain_text("%")
    at(desk, "upload-cancel").last.click()
    expect(at(desk, "file")).to_have_count(1)
    limit(-1)
    expect(at(phone, "file-name")).to_have_text("second.bin")
    expect(at(desk, "upload-progress")).to_have_count(0)
    expect(at(phone, "file")).to_have_count(1)

    # Refused by the server: it waits in its place, and goes when it is tried again.
    refusal = {"code": 41501, "msg": "Not today.", "data": None}
    desk.route("**/attach/upload", lambda route: route.fulfill(status=415, body=json.dumps(refusal)))
    small = tmp_path / "fourth.bin"
    small.write_bytes(os.urandom(1000))
    attach(desk, small)
    expect(at(desk, "send-failure")).to_contain_text("Not today.")
    desk.unroute("**/attach/upload")
    at(desk, "composer").fill("after it")
    at(desk, "composer").press("Enter")
    expect(at(phone, "message").last).to_contain_text("after it")
    at(desk, "retry").click()
    expect(at(phone, "file-name").last).to_have_text("fourth.bin")
    expect(at(desk, "send-failure")).to_have_count(0)
