"""A right that is remembered is not used once its end was answered, however many frames are on their way."""

import threading
import time

import pytest

from tests.live.test_signals import Friends, signal

ROUNDS = 5
AFTERWARDS = 20  # signals that begin after the answer
WITHIN_S = 60


@pytest.mark.parametrize("path", ["/contact/block", "/contact/remove"])
def test_no_signal_that_begins_after_the_answer_is_relayed(friends: Friends, path: str) -> None:
    alice, bob = friends
    here, phone = alice.connect(), bob.connect()
    began = 0  # number of the last signal that was begun
    for _ in range(ROUNDS):
        stop, first = threading.Event(), began + 1

        def signals(stop: threading.Event = stop) -> None:
            nonlocal began
            while not stop.is_set():
                began += 1
                here.send(signal(bob.user_id, began, rid=str(began)))
                time.sleep(0.001)  # not faster than they are answered

        sending = threading.Thread(target=signals)
        sending.start()
        assert phone.until(cmd=17)["data"] == first
        bob.call(path, dstid=alice.user_id)
        allowed = began
        until = time.monotonic() + WITHIN_S
        while began < allowed + AFTERWARDS:
            assert time.monotonic() < until, "no signals are sent"
            time.sleep(0.002)
        stop.set()
        sending.join(WITHIN_S)
        refusal = here.until(cmd=2, rid=str(began))
        assert refusal["code"] == (40302 if path.endswith("remove") else 40304)
        phone.send({"cmd": 0, "rid": "all"})
        heard = []
        while (frame := phone.json()).get("rid") != "all":
            heard += [frame["data"]] if frame["cmd"] == 17 else []
        assert heard == sorted(heard)
        assert max(heard, default=0) <= allowed
        bob.call("/contact/unblock" if path.endswith("block") else "/contact/addfriend", dstid=alice.user_id)
