"""The same question put to a messenger and its MariaDB: did an ACK leave before its COMMIT was in a synced redo log?"""

import re
from collections import defaultdict
from collections.abc import Iterable

from tests.faults.trace import ACK, SOCKETS, SYNCS, SYSTEM_CALLS, Order, moments

BOTH_SYSTEM_CALLS = f"{SYSTEM_CALLS},recvfrom"  # by which the database is told what to do
REDO_LOG = "/ib_logfile0"
_TOLD = re.compile(r'"(.*)"', re.DOTALL)
_COMMIT = '"\\3COMMIT"'  # in one piece, as the driver sends it
_CID = re.compile(r'\\"cid\\":\\"([^"\\]+)\\"')  # of a frame; on its way to the database it stands in other quotes


def commit_order_of(lines: Iterable[str], cids: Iterable[str]) -> Order:
    """A message is safe once the redo log was synced after a write to it that began after the message's COMMIT came.

    What a connection is told since its last COMMIT is what the next one commits. `log_writes` and `syncs` are those of
    the redo log; the cids of `unseen` left before the database was told to commit them.
    """
    order = Order()
    wanted = set(cids)
    pattern = re.compile("|".join(map(re.escape, wanted)))
    told: defaultdict[str, str] = defaultdict(str)  # {socket: what came since the last COMMIT}
    committing: dict[str, int] = {}  # {cid: line in which its COMMIT came}
    written: dict[str, int] = {}  # {cid: line in which a write ended that began after that}
    safe: set[str] = set()
    for moment in moments(lines):
        if moment.target.endswith(REDO_LOG):
            if moment.succeeds and moment.name in SYNCS:
                order.syncs += 1
                safe.update(_taken(written, moment.began))
            elif moment.succeeds:
                order.log_writes += 1
                written.update(dict.fromkeys(_taken(committing, moment.began), moment.line))
        elif not moment.target.startswith(SOCKETS):
            continue
        elif moment.name == "recvfrom":
            if not moment.succeeds or not (text := _TOLD.search(moment.text)):
                continue
            told[moment.target] += text[1]
            if _COMMIT in moment.text:
                committing.update(dict.fromkeys(pattern.findall(told.pop(moment.target)), moment.line))
        elif not moment.ends:
            order.acked |= wanted.intersection(ACK.findall(moment.text))
            for cid in wanted.intersection(_CID.findall(moment.text)) - safe:
                (order.early if cid in committing or cid in written else order.unseen).append(cid)
    return order


def _taken(lines: dict[str, int], before: int) -> list[str]:
    """Removes the cids of the lines before this one, and gives them."""
    found = [cid for cid, line in lines.items() if line < before]
    for cid in found:
        del lines[cid]
    return found
