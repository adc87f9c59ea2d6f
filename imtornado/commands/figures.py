"""What a run of `imtornado bench` measured, for people and for programs."""

from collections.abc import Sequence

import msgspec


class Figures(msgspec.Struct, frozen=True):
    """Rates of the measured seconds; counts of the whole run. Times in milliseconds, by percentile."""

    sockets: int
    senders: int
    acked_per_s: int
    delivered_per_s: int
    ack_ms: dict[str, float]
    delivery_ms: dict[str, float]
    unanswered: int  # neither ACK nor ERROR came
    missing: int  # acknowledged, and not delivered to a socket that was there
    disordered: int
    closed: int  # sockets that the server closed
    refused: dict[int, int]  # {code: messages}

    def losses(self) -> str:
        """What a server that keeps its promises has none of; "" where there is none."""
        counts = (self.missing, "missing"), (self.disordered, "out of order"), (self.closed, "sockets closed")
        return ", ".join(f"{count} {name}" for count, name in counts if count)

    def text(self) -> str:
        rows = [
            f"{self.sockets} sockets, {self.senders} of them write",
            f"acknowledged  {self.acked_per_s:>10,} messages/s   {_times(self.ack_ms)}",
            f"delivered     {self.delivered_per_s:>10,} messages/s   {_times(self.delivery_ms)}",
            f"unanswered {self.unanswered}; lost: {self.losses() or 'nothing'}",
        ]
        if self.refused:
            told = ", ".join(f"{count} with {code}" for code, count in sorted(self.refused.items()))
            rows.append(f"refused {told} (42901: start the server with --set security.throttle=no)")
        return "\n".join(rows)


def percentiles(seconds: Sequence[float]) -> dict[str, float]:
    """{p50, p99, max} in milliseconds; empty where nothing was measured."""
    ordered = sorted(seconds)
    if not ordered:
        return {}
    places = {"p50": len(ordered) // 2, "p99": len(ordered) * 99 // 100, "max": len(ordered) - 1}
    return {name: round(ordered[place] * 1000, 3) for name, place in places.items()}


def _times(by_percentile: dict[str, float]) -> str:
    return ", ".join(f"{name} {value:g} ms" for name, value in by_percentile.items()) or "nothing measured"
