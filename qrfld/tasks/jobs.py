"""What the daemon and its worker say to each other over their socket pair.

A frame is ``u32 length (big endian) ‖ msgpack``, at most 64 KiB; the daemon sends a job, the worker
answers it with one result before the next job. Models travel as files, named by their paths. Both
sides check types strictly: the worker runs a user's code, so the daemon does not trust it either.
"""

from __future__ import annotations

from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta

from qrfld.tasks.base import Context
from qrfld.tasks.errors import WorkerProtocolError

LENGTH_BYTES: Final = 4
MAX_FRAME: Final = 64 * 1024
_LONGEST_TEXT: Final = 2000
_LONGEST_REFUSAL: Final = 300

Text = Annotated[str, Meta(max_length=_LONGEST_TEXT)]
Count = Annotated[int, Meta(ge=1, le=2**32 - 1)]
Loss = Annotated[float, Meta(ge=0, le=1.7e308)]


class Init(msgspec.Struct, frozen=True, tag="init"):
    """Write a fresh model to ``output``."""

    context: Context
    output: str


class Train(msgspec.Struct, frozen=True, tag="train"):
    """Train the model in the file ``model``; write trained - model to ``output``.

    ``attack`` names what to do to the update before it is written, "" for nothing (the lab's).
    """

    context: Context
    model: str
    output: str
    attack: str = ""
    attack_scale: float | None = None


class Evaluate(msgspec.Struct, frozen=True, tag="evaluate"):
    """Score the model in the file ``model``."""

    context: Context
    model: str


class Initialised(msgspec.Struct, frozen=True, tag="initialised"):
    """The model is written."""


class Trained(msgspec.Struct, frozen=True, tag="trained"):
    """The update is written."""

    samples: Count
    loss: Loss


class Evaluated(msgspec.Struct, frozen=True, tag="evaluated"):
    """The scores on held-out data."""

    accuracy: Annotated[float, Meta(ge=0, le=1)]
    loss: Loss
    samples: Count


class Failed(msgspec.Struct, frozen=True, tag="failed"):
    """The job failed; ``error`` is the stable name of a class in `errors`."""

    error: Annotated[str, Meta(max_length=64)]
    message: Text
    hint: Text

    @classmethod
    def of(cls, error: str, message: str, hint: str) -> Failed:
        """Build the result, with texts cut to what a frame carries."""
        return cls(error, message[:_LONGEST_TEXT], hint[:_LONGEST_TEXT])


Job = Init | Train | Evaluate
Result = Initialised | Trained | Evaluated | Failed


def frame(message: Job | Result) -> bytes:
    """Return ``message`` as a frame. Raises WorkerProtocolError when it is too long."""
    body = msgspec.msgpack.encode(message)
    if len(body) > MAX_FRAME:
        raise WorkerProtocolError(f"a message of {len(body)} bytes, allowed are {MAX_FRAME}")
    return len(body).to_bytes(LENGTH_BYTES, "big") + body


def body_length(header: bytes) -> int:
    """Return the length that a frame's first four bytes announce. Raises WorkerProtocolError."""
    length = int.from_bytes(header, "big")
    if not 0 < length <= MAX_FRAME:
        raise WorkerProtocolError(f"a frame of {length} bytes, allowed are 1 to {MAX_FRAME}")
    return length


def parse(body: bytes, kind: Any) -> Any:
    """Return the message in a frame's body: a ``kind`` (Job or Result).

    Raises WorkerProtocolError.
    """
    try:
        return msgspec.msgpack.decode(body, type=kind)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        # The text repeats what was wrong, which may be a whole frame of it.
        raise WorkerProtocolError(
            f"a frame that is no message: {str(error)[:_LONGEST_REFUSAL]}"
        ) from error
