"""`imtornado reindex`: the index of searches is made anew from the messages."""

import argparse
import time

from imtornado.clock import Clock
from imtornado.commands.command import add_command
from imtornado.config import Config
from imtornado.errors import Busy
from imtornado.services.indexing import Indexing
from storage.backends import open_store
from storage.store import Store

TELL_EVERY_S = 5.0
ELSEWHERE_S = 0.5  # until it is looked again how far the other process is
BUSY_S = 1.0


def add_commands(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    reindex = add_command(commands, "reindex", _reindex, "empty the index of searches and make it again from all texts")
    reindex.add_argument("--resume", action="store_true", help="keep what is indexed, and index what is not yet")


def _reindex(config: Config, options: argparse.Namespace) -> None:
    settings = config.storage
    store = open_store(
        settings.url, Clock(), auto_migrate=settings.auto_migrate, unsafe_durability=settings.unsafe_durability
    )
    try:
        if not options.resume:
            store.search_index.start_anew()
        _index(store)
    finally:
        store.close()


def _index(store: Store) -> None:
    """Steps, or waits where a server makes them, until nothing is left. It rests as long as it works: others write."""
    indexing, began, told = Indexing(store), time.monotonic(), 0.0
    while not store.search_index.is_complete(tails=True):
        started = time.monotonic()
        try:
            pause_s = ELSEWHERE_S if indexing.step(tails=True) is None else 0.0
        except Busy:
            pause_s = BUSY_S
        now = time.monotonic()
        if now - told >= TELL_EVERY_S:
            told = now
            print(f"{indexing.messages} messages indexed, {store.search_index.waiting()} wait", flush=True)
        time.sleep(max(pause_s, now - started))
    print(f"{indexing.messages} messages indexed in {time.monotonic() - began:.1f} s; nothing waits")
