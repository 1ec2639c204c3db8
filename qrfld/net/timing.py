"""Every wait of the mesh in one place, so that a test or a slow network can choose its own."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Timing:
    """All in seconds."""

    #: To open a TCP connection, and again to complete the handshake on it.
    connect: float = 5.0
    #: From the end of the handshake to the bulk connection, or to the end of a join.
    admission: float = 5.0
    #: How often sessions are looked after; an idle one is pinged each time.
    tick: float = 1.0
    #: A session ends when nothing came for so long, or when a message waited so long for credit.
    silence: float = 10.0
    #: How long one generation of keys is used.
    rekey: float = 3600.0
    #: A transfer ends when nothing came, or no credit was given, for so long.
    stall: float = 15.0
    #: The side with the lower node ID dials first, the other so much later.
    head_start: float = 0.5
    #: The first and the longest pause between two attempts to reach a member (full jitter).
    backoff_first: float = 0.5
    backoff_most: float = 60.0
    #: A session that lasted so long makes the attempts before it forgotten.
    settled: float = 30.0


DEFAULT = Timing()
