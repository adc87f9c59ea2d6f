"""What strace wrote of a server, and the question that is put to it: did an ACK leave before its message was synced?"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

SYSTEM_CALLS = "pwrite64,write,writev,sendto,sendmsg,fdatasync,fsync"
# "1234 fdatasync(9</tmp/im.db-wal>) = 0", "1234 sendto(20<socket:[77]>, "…", 30, 0, NULL, 0 <unfinished ...>",
# "1234 <... fdatasync resumed>) = 0"
_CALL = re.compile(r"^(\d+) +(\w+)\((\d+)<([^>]*)>(.*)$", re.DOTALL)
_RESUMED = re.compile(r"^(\d+) +<\.\.\. (\w+) resumed>(.*)$", re.DOTALL)
_SYNCED = re.compile(r"= 0\s*$")
_WRITTEN = re.compile(r"= \d+\s*$")
_ACK = re.compile(r'\{\\"cmd\\":1,\\"cid\\":\\"([^"\\]+)\\"')


@dataclass
class Order:
    """Counts and complaints of a trace."""

    acked: set[str] = field(default_factory=set)  # cids whose ACK left
    wal_writes: int = 0
    syncs: int = 0
    early: list[str] = field(default_factory=list)  # cids that left before a sync that followed their write
    unseen: list[str] = field(default_factory=list)  # cids that left, and no write to the log had them


def order_of(lines: Iterable[str], cids: Iterable[str]) -> Order:
    """A message is safe once a sync of the write-ahead log that began after its last write has returned 0."""
    order = Order()
    wanted = set(cids)
    dirty: dict[str, int] = {}  # {cid: number of the line that began its first write}
    safe: set[str] = set()
    syncing: dict[str, int] = {}  # {thread: number of the line that began its sync of the log}
    pattern = re.compile("|".join(map(re.escape, wanted)))

    def synced(began: int) -> None:
        order.syncs += 1
        for cid in [cid for cid, line in dirty.items() if line < began]:
            safe.add(cid)
            del dirty[cid]

    for number, line in enumerate(lines):
        if resumed := _RESUMED.match(line):
            thread, name, rest = resumed.groups()
            if name in ("fdatasync", "fsync") and thread in syncing:
                began = syncing.pop(thread)
                if _SYNCED.search(rest):
                    synced(began)
            continue
        if not (call := _CALL.match(line)):
            continue
        thread, name, _, target, rest = call.groups()
        is_log = target.endswith("-wal")
        if name in ("fdatasync", "fsync"):
            if is_log and rest.rstrip().endswith("<unfinished ...>"):
                syncing[thread] = number
            elif is_log and _SYNCED.search(rest):
                synced(number)
        elif is_log:
            order.wal_writes += 1
            for cid in pattern.findall(rest):
                if cid not in safe:
                    dirty.setdefault(cid, number)
        elif target.startswith(("socket:", "TCP")):
            order.acked |= wanted.intersection(_ACK.findall(rest))
            for cid in pattern.findall(rest):  # its ACK, or the message on its way to somebody
                if cid in dirty:
                    order.early.append(cid)
                elif cid not in safe:
                    order.unseen.append(cid)
    return order
