"""The sender of a flood: bogus first messages at a rate, from many loopback addresses.

A process of its own, with plain blocking sockets: what it costs is not the daemon's. Most senders
close at once; every ``LINGERS``-th waits in silence, so that places are taken too.
"""

from __future__ import annotations

import multiprocessing
import os
import secrets
import socket
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import cycle
from multiprocessing.connection import Connection as Pipe
from typing import Final

from qrfld.crypto.identity import Identity, NodeId
from qrfld.protocol.connection import Connection
from qrfld.protocol.session import Endpoint

LINGERS: Final = 10
#: How many of those who wait are kept open.
_OPEN: Final = 256
_CONNECT_SECONDS: Final = 0.02
_STOP_SECONDS: Final = 10.0
#: How many different messages of each kind there are.
_EACH: Final = 16


@dataclass
class Sent:
    """What became of a flood: connections that were made, and those that were not."""

    made: int = 0
    failed: int = 0
    seconds: float = 0.0


def sources(count: int) -> list[str]:
    """So many loopback addresses that nobody else uses: 127.77.0.1 and so on."""
    return [f"127.77.{number // 250}.{1 + number % 250}" for number in range(count)]


def messages(federation: bytes, target: NodeId) -> list[bytes]:
    """First messages of every bogus kind, in turns.

    Noise; the beginnings of M1, B1 and S1 with noise behind them; M1 cut off; M1 with a wrong mac1;
    and M1 as one makes it who knows both IDs but is no member: he gets as far as anybody can.
    """
    identity = Identity.generate(1)
    endpoint = Endpoint(identity, federation, (1,))
    found = []
    for _ in range(_EACH):
        m1 = b"".join(Connection.dial(endpoint, target).data_to_send())
        noise = secrets.token_bytes(len(m1))
        begun = [magic + b"\x01" + noise for magic in (b"QRFL", b"QRFB", b"QRFS")]
        found += [noise, *begun, m1[:600], m1[:-16] + noise[:16], m1]
    return found


def flood(
    target: tuple[str, int],
    said: Sequence[bytes],
    addresses: Sequence[str],
    rate: float,
    over: Callable[[], bool],
) -> Sent:
    """Connect ``rate`` times a second and send one message each, until ``over``."""
    sent, waiting = Sent(), deque[socket.socket]()
    start = time.perf_counter()
    pairs = zip(cycle(said), cycle(addresses), strict=False)
    for number, (message, source) in enumerate(pairs):
        ahead = number / rate - (time.perf_counter() - start)
        if ahead > 0:
            time.sleep(ahead)
        if over():
            break
        try:
            one = _send(target, message, source)
        except OSError:
            sent.failed += 1
            continue
        sent.made += 1
        waiting.append(one)
        if number % LINGERS:
            waiting.pop().close()
        elif len(waiting) > _OPEN:
            waiting.popleft().close()
    sent.seconds = time.perf_counter() - start
    for one in waiting:
        one.close()
    return sent


@contextmanager
def flooding(
    target: tuple[str, int], said: Sequence[bytes], addresses: Sequence[str], rate: float
) -> Iterator[Callable[[], Sent]]:
    """Flood from a process of its own as long as the context lasts, or until it is called.

    What it gives stops the flood and tells what became of it.
    """
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    arguments = (theirs, target, list(said), list(addresses), rate)
    process = context.Process(target=_main, args=arguments, daemon=True)
    process.start()
    theirs.close()
    ours.recv()  # it has begun

    def stop() -> Sent:
        ours.send("stop")
        found: Sent = ours.recv()
        return found

    try:
        yield stop
    finally:
        ours.close()
        process.join(_STOP_SECONDS)
        if process.is_alive():
            process.kill()
            process.join()


def _main(
    pipe: Pipe, target: tuple[str, int], said: list[bytes], addresses: list[str], rate: float
) -> None:
    # An attacker has a machine of his own: here he gets what daemon and member leave.
    os.nice(10)
    pipe.send("begun")
    # Its own end of the pipe is readable when it is told to stop, or when nobody is there to tell.
    sent = flood(target, said, addresses, rate, lambda: pipe.poll(0))
    try:
        pipe.recv()
        pipe.send(sent)
    except (EOFError, OSError):
        pass


def _send(target: tuple[str, int], message: bytes, source: str) -> socket.socket:
    one = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        one.settimeout(_CONNECT_SECONDS)
        one.bind((source, 0))
        one.connect(target)
        one.sendall(message)
    except BaseException:
        one.close()
        raise
    return one
