"""What a client may cost: every limit of the listening side and its default."""

from __future__ import annotations

from dataclasses import dataclass, field

from lambdaproxy.base.held import BODIES, UNWRITTEN
from lambdaproxy.config.settings import Settings
from lambdaproxy.http1.grammar import HeadLimits


def more(connections: int) -> int:
    """How many connections beyond the limit are told so, instead of closed without a word."""
    return max(16, connections // 20)


@dataclass(frozen=True, slots=True)
class Limits:
    """Sizes in bytes, times in seconds.

    `head` bounds the header section and trailers. `head_time` is absolute: for a connection's first request it counts
    from the moment the connection was accepted (so it bounds a TLS handshake too), for a later one from its first
    byte. A body must be complete within `body_time` and a further second for every `body_rate` bytes received, and
    within `body_time_most` in any case. `idle_time` is how long a connection may wait for its next request: longer
    than nginx and AWS's load balancers wait (60 s), so that they close first. `write_time` is how long a client may
    read nothing while we have something to send; from when it first lets something wait it has that time and a further
    second for every `write_rate` bytes it has read. `linger_time` and `linger_size` bound what is read and thrown away
    after a refusal, so that the client sees the answer and not a reset.

    `body` bounds requests for resources of twisted.web; those for functions are bounded by their route's `--max-body`.
    A body that is not wanted, because its request was refused by its head, is read and thrown away to keep the
    connection, up to `unwanted` bytes. Chunk framing may cost as many bytes as its body and `slack` more.
    `connections` are open at once, or fewer where there are not enough file descriptors (see `within`); `upstream` is
    how many of the requests in progress may need a socket besides their client's, `workers` how many descriptors
    other listeners and the
    embedded functions' processes may take; `pipelined` requests of one are answered before others are looked at.
    `bodies` and `unwritten` are the bounds of the two ledgers of `held`, where the site has to make its own.
    """

    head: HeadLimits = field(default_factory=HeadLimits)
    head_time: float = 10.0
    body: int = 1024 * 1024
    body_time: float = 20.0
    body_rate: int = 500
    body_time_most: float = 120.0
    slack: int = 64 * 1024
    unwanted: int = 1024 * 1024
    idle_time: float = 75.0
    write_time: float = 30.0
    write_rate: int = 500
    #: A connection may be silent for as long as it likes, before its first request and between requests.
    silent: bool = False
    linger_time: float = 2.0
    linger_size: int = 1024 * 1024
    connections: int = 10_000
    upstream: int = 0
    workers: int = 0
    pipelined: int = 32
    unwritten: int = UNWRITTEN
    bodies: int = BODIES
    #: What bounds `connections`, in the operator's words.
    bound: str = "--max-connections"

    @classmethod
    def configured(cls, settings: Settings) -> Limits:
        """The limits that the operator set."""
        size = settings.max_header_size
        return cls(
            head=HeadLimits(section=size, fields=settings.max_header_fields, line=size, target=settings.max_target),
            head_time=settings.header_timeout,
            body_time=settings.body_timeout,
            body_rate=settings.body_rate,
            body_time_most=settings.body_timeout_max,
            slack=settings.max_body_framing,
            idle_time=settings.idle_timeout,
            write_time=settings.write_timeout,
            write_rate=settings.write_rate,
            linger_time=settings.linger_timeout,
            connections=settings.max_connections,
            pipelined=settings.max_pipelined,
            unwritten=settings.max_unwritten,
            bodies=settings.max_bodies,
        )

    def within(self, files: int | None) -> int:
        """How many connections there may be if the process may have so many files open at once.

        A fifth is left for everything else, and for a worker's descriptors. A few connections more are open while they
        are told that they are too many (`MORE`).
        """
        if files is None:
            return self.connections
        room = files - max(48, files // 5) - min(self.workers, files // 4)
        least, most = 0, self.connections
        while least < most:
            middle = (least + most + 1) // 2
            if middle + more(middle) + min(middle, self.upstream) <= room:
                least = middle
            else:
                most = middle - 1
        return least

    def files(self) -> int:
        """How many files the process must be able to open so that there may be all of `connections` (see `within`)."""
        most = self.connections
        needed = most + more(most) + min(most, self.upstream) + self.workers
        return max(needed + 48, needed * 5 // 4 + 2)

    def body_deadline(self, started: float, received: int, patience: float = 0.0) -> float:
        """When a body whose head was complete at `started` must be there, with `received` bytes so far.

        `patience` takes the place of `body_time_most`, unless it is 0.
        """
        return started + min(self.body_time + received / self.body_rate, patience or self.body_time_most)
