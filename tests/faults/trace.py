"""What strace wrote of a server, and the question that is put to it: did an ACK leave before its message was synced?"""

import re
import signal
import subprocess
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

SHOWN_BYTES = 70_000  # of each buffer: all of a page, and of a joined write
SYSTEM_CALLS = "pwrite64,write,writev,sendto,sendmsg,fdatasync,fsync"
SYNCS = ("fdatasync", "fsync")
SOCKETS = ("socket:", "TCP")
# "1234 fdatasync(9</tmp/im.db-wal>) = 0", "1234 sendto(20<socket:[77]>, "…", 30, 0, NULL, 0 <unfinished ...>",
# "1234 <... fdatasync resumed>) = 0"
_CALL = re.compile(r"^(\d+) +(\w+)\((\d+)<([^>]*)>(.*)$", re.DOTALL)
_RESUMED = re.compile(r"^(\d+) +<\.\.\. (\w+) resumed>(.*)$", re.DOTALL)
_DONE = re.compile(r"= \d+\s*$")
ACK = re.compile(r'\{\\"cmd\\":1,\\"cid\\":\\"([^"\\]+)\\"')


class Moment(NamedTuple):
    """The beginning or the end of a system call on a file or socket."""

    name: str
    target: str  # path of the file, or name of the socket
    text: str  # what strace showed of arguments and result in this line
    line: int  # its number
    began: int  # the line in which the call began
    ends: bool
    succeeds: bool


@dataclass
class Order:
    """Counts and complaints of a trace."""

    acked: set[str] = field(default_factory=set)  # cids whose ACK left
    log_writes: int = 0
    syncs: int = 0
    early: list[str] = field(default_factory=list)  # cids that left before a sync that followed their write
    unseen: list[str] = field(default_factory=list)  # cids that left, and no write to the log had them


def moments(lines: Iterable[str]) -> Iterator[Moment]:
    """In the order in which they came; the text of a call that waited is divided between its two moments."""
    waiting: dict[str, tuple[str, str, int]] = {}  # {thread: (name, target, line)}
    for number, line in enumerate(lines):
        if resumed := _RESUMED.match(line):
            thread, name, text = resumed.groups()
            if thread in waiting and waiting[thread][0] == name:
                _, target, began = waiting.pop(thread)
                yield Moment(name, target, text, number, began, ends=True, succeeds=bool(_DONE.search(text)))
        elif call := _CALL.match(line):
            thread, name, _, target, text = call.groups()
            yield Moment(name, target, text, number, number, ends=False, succeeds=False)
            if text.rstrip().endswith("<unfinished ...>"):
                waiting[thread] = name, target, number
            else:
                yield Moment(name, target, text, number, number, ends=True, succeeds=bool(_DONE.search(text)))


def order_of(lines: Iterable[str], cids: Iterable[str]) -> Order:
    """A message is safe once a sync of the write-ahead log that began after its last write has returned 0."""
    order = Order()
    wanted = set(cids)
    dirty: dict[str, int] = {}  # {cid: number of the line that began its first write}
    safe: set[str] = set()
    pattern = re.compile("|".join(map(re.escape, wanted)))
    for moment in moments(lines):
        is_log = moment.target.endswith("-wal")
        if moment.name in SYNCS:
            if is_log and moment.succeeds:
                order.syncs += 1
                for cid in [cid for cid, line in dirty.items() if line < moment.began]:
                    safe.add(cid)
                    del dirty[cid]
        elif moment.ends:
            continue
        elif is_log:
            order.log_writes += 1
            for cid in pattern.findall(moment.text):
                if cid not in safe:
                    dirty.setdefault(cid, moment.began)
        elif moment.target.startswith(SOCKETS):
            order.acked |= wanted.intersection(ACK.findall(moment.text))
            for cid in pattern.findall(moment.text):  # its ACK, or the message on its way to somebody
                if cid in dirty:
                    order.early.append(cid)
                elif cid not in safe:
                    order.unseen.append(cid)
    return order


@contextmanager
def traced(strace: str, output: Path, *pids: int, calls: str = SYSTEM_CALLS) -> Iterator[None]:
    """All threads of the processes, in the order of what they did, from when they are attached to the block's end."""
    command = [strace, "-f", "-y", "-s", str(SHOWN_BYTES), "-e", f"trace={calls}", "-o", str(output)]
    for pid in pids:
        command += ["-p", str(pid)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        for _ in pids:
            line = process.stderr.readline()
            assert "attached" in line, line
        try:
            yield
        finally:
            process.send_signal(signal.SIGINT)
            process.stderr.read()
            process.wait(30)
