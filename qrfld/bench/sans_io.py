"""Handshakes in memory: what the protocol costs without sockets, event loops and processes."""

from __future__ import annotations

import time
from dataclasses import dataclass

from qrfld.bench.contenders import Contender
from qrfld.protocol.errors import SilentRejectError


@dataclass(frozen=True)
class Shaken:
    """One handshake: CPU seconds and bytes sent, of the side that dials and the one dialled.

    ``late``: how many of the bytes the dialled side sent when the other was done (TLS tickets).
    """

    dialling: float
    dialled: float
    bytes_sent: int
    bytes_received: int
    late: int

    @property
    def cpu(self) -> float:
        """Of both sides, in seconds."""
        return self.dialling + self.dialled

    @property
    def bytes(self) -> int:
        """On the wire, without tickets."""
        return self.bytes_sent + self.bytes_received - self.late


def shake(contender: Contender) -> Shaken:
    """One whole handshake. The two sides take turns until neither has anything to say."""
    clock = time.process_time
    start = clock()
    initiator = contender.dial()
    between = clock()
    responder = contender.accept()
    cpu = [between - start, clock() - between]
    ends, sent, late = (initiator, responder), [0, 0], 0
    turn, said = 0, b"".join(initiator.data_to_send())
    while said:
        sent[turn] += len(said)
        late += len(said) if turn == 1 and initiator.session is not None else 0
        turn = 1 - turn
        start = clock()
        ends[turn].receive_data(said)
        said = b"".join(ends[turn].data_to_send())
        cpu[turn] += clock() - start
    if initiator.session is None or responder.session is None:
        raise AssertionError("the handshake did not come to its end")
    contender.dialled(initiator.session)
    contender.accepted(responder.session)
    return Shaken(cpu[0], cpu[1], sent[0], sent[1], late)


def refuse(contender: Contender, first: bytes) -> None:
    """Have a stranger's first message refused without an answer."""
    try:
        contender.accept().receive_data(first)
    except SilentRejectError:
        return
    raise AssertionError("the message was not refused")


def serve(contender: Contender, first: bytes) -> None:
    """Have a first message answered."""
    end = contender.accept()
    end.receive_data(first)
    end.data_to_send()
