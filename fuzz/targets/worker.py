"""Invariant: a frame between daemon and worker is refused by name, or what is in it is framed and
read again to the same bytes.

Input: a byte, odd for a result, even for a job; below 128 the rest is the frame's body, from there
on it changes the body of one that is sound.
"""

from __future__ import annotations

from fuzz.invariants import Refused, attempt, require
from fuzz.script import Script
from qrfld.tasks import jobs
from qrfld.tasks.base import Context
from qrfld.tasks.errors import WorkerProtocolError

_CONTEXT = Context(1, 5, 3, 2**62, {"a": 1, "b": 0.5, "c": "x", "d": True})
_JOBS: list[jobs.Job] = [
    jobs.Init(_CONTEXT, "out"),
    jobs.Train(_CONTEXT, "model", "out", "sign-flip", 4.0),
    jobs.Evaluate(_CONTEXT, "model"),
]
_RESULTS: list[jobs.Result] = [
    jobs.Initialised(),
    jobs.Trained(5, 0.25),
    jobs.Evaluated(1.0, 0.0, 7),
    jobs.Failed("task", "what", "do"),
]


def check(data: bytes) -> None:
    """See the module."""
    script = Script(data)
    choice = script.number()
    kind, sound = (jobs.Result, _RESULTS) if choice & 1 else (jobs.Job, _JOBS)
    if choice < 0x80:
        body = script.rest()
    else:
        body = script.changed(jobs.frame(sound[script.below(len(sound))])[jobs.LENGTH_BYTES :])
    length = attempt(lambda: jobs.body_length(body[:4]), WorkerProtocolError)
    require(isinstance(length, Refused) or length <= jobs.MAX_FRAME, "a length is bounded")
    message = attempt(lambda: jobs.parse(body, kind), WorkerProtocolError)
    if not isinstance(message, Refused):
        framed = jobs.frame(message)
        require(jobs.body_length(framed[:4]) == len(framed) - 4, "a frame says its length")
        require(jobs.frame(jobs.parse(framed[4:], kind)) == framed, "a frame has one meaning")


def seeds() -> list[bytes]:
    """Every job and every result, as they are and changed."""
    whole = [b"\0" + jobs.frame(job)[jobs.LENGTH_BYTES :] for job in _JOBS]
    whole += [b"\1" + jobs.frame(result)[jobs.LENGTH_BYTES :] for result in _RESULTS]
    return [
        *whole,
        b"\1" + b"\x81\xa4type\xda\x08\x00" + b"x" * 2048,
        b"\x80\1\1\0\x09\0\1",
        b"\x81\2\1\0\x09\2\0\2ab",
    ]
