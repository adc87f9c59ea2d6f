"""The server is killed before each step of an upload, one after the other: no step leaves half a file."""

import base64
import http.client
import time
from collections.abc import Callable
from typing import Any

import pytest
from PIL import Image

from tests import pictures
from tests.fixtures.server import Server, StartServer
from tests.handlers.uploading import arriving, fetch, form, post_file, request
from tests.people import Person

# Python tells an audit hook of every file that is opened, renamed or removed, before it happens (PEP 578).
HOOK = """
import os, signal, sys, threading

ROOT, ARMED, STEPS = (os.path.join(os.getcwd(), name) for name in ("resource", "armed", "steps"))
EVENTS = {"open", "os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.truncate", "shutil.rmtree"}
lock = threading.RLock()
left = None

def step(event, args):
    global left
    if event not in EVENTS or not any(str(arg).startswith(ROOT) for arg in args):
        return
    with lock:
        if left is None:
            try:
                with open(ARMED) as file:
                    left = int(file.read())
            except FileNotFoundError:
                return
        left -= 1
        with open(STEPS, "a") as file:
            print(event, *(str(arg).removeprefix(ROOT)[:20] for arg in args[:2]), file=file)
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

if "serve" in sys.orig_argv:  # and not a process that makes pictures
    sys.addaudithook(step)
"""


def by_form(person: Person, data: bytes) -> dict[str, Any]:
    """What the server answers. Raises: ConnectionError and the like when it is killed meanwhile."""
    return post_file(person, form(data)).envelope


def in_pieces(person: Person, data: bytes) -> dict[str, Any]:
    told = {"Authorization": f"Bearer {person.token}", "Tus_Resumable": "1.0.0", "Accept": "application/json"}
    named = {"Upload_Length": str(len(data)), "Upload_Metadata": f"filename {base64.b64encode(b'a.png').decode()}"}
    path = request(person.port, "POST", "/attach/tus", told | named).headers["Location"]
    for start in range(0, len(data), 20_000):
        offset = {"Upload_Offset": str(start), "Content_Type": "application/offset+octet-stream"}
        answer = request(person.port, "PATCH", path, told | offset, data[start : start + 20_000])
        assert answer.status == 204
    return person.call("/attach/finish", id=path.rpartition("/")[2])


def picture(number: int) -> bytes:
    """50 kB, of which no two give the same result."""
    return pictures.encoded(pictures.grainy(300 + number, 200), "JPEG", quality=90)


def steps(server: Server) -> list[str]:
    file = server.folder / "steps"
    found = file.read_text().splitlines() if file.exists() else []
    file.unlink(missing_ok=True)
    return found


def armed(server: Server, step: int) -> None:
    """To be killed before that step, counted from now; 0 only counts. Once for each start of the server."""
    steps(server)  # of a server that was stopped
    (server.folder / "armed").write_text(str(step))


def until_killed(server: Server) -> None:
    until = time.monotonic() + 60
    while server.is_running():
        assert time.monotonic() < until, "it lives"
        time.sleep(0.01)
    server.kill()  # takes its pipe back


@pytest.mark.parametrize(
    ("every", "upload"),
    [
        pytest.param(9, by_form, id="form", marks=pytest.mark.timeout(600)),
        pytest.param(14, in_pieces, id="pieces", marks=pytest.mark.timeout(600)),
        pytest.param(1, by_form, id="form-every-step", marks=[pytest.mark.long, pytest.mark.timeout(900)]),
        pytest.param(1, in_pieces, id="pieces-every-step", marks=[pytest.mark.long, pytest.mark.timeout(900)]),
    ],
)
def test_a_server_killed_before_any_step_of_an_upload_leaves_no_half_file(
    start_server: StartServer, every: int, upload: Callable[[Person, bytes], dict[str, Any]]
) -> None:
    server = start_server("security.throttle=no")
    server.expect_log("^Traceback")  # of a worker process that Python had not quite started when its parent was killed
    (server.folder / "python").mkdir()
    (server.folder / "python" / "sitecustomize.py").write_text(HOOK)
    server.restart()
    person = Person(server.port, "Ann")
    armed(server, 0)
    assert upload(person, picture(0))["code"] == 0
    (server.folder / "armed").unlink()
    whole = steps(server)
    assert len(whole) >= 10
    assert sum(step.startswith("os.rename") for step in whole) == 2, whole
    number, was_killed = 1, True
    while was_killed:
        assert number < 100
        server.restart()
        armed(server, number)
        data = picture(number)
        try:
            upload(person, data)
            was_killed = False  # it has no more steps than that
            server.kill()
        except (OSError, http.client.HTTPException):
            until_killed(server)
        (server.folder / "armed").unlink()
        done = steps(server)
        assert len(done) == number or not was_killed
        server.restart()
        assert not arriving(server.folder), done
        for file in server.folder.glob("resource/??/*"):
            with Image.open(file) as image:
                image.load()
        again = upload(person, data)
        assert fetch(person, again["data"]).status == fetch(person, again["thumb"]).status == 200, done
        number += every
    assert number > len(whole) - 5  # folders that are there already need not be made
