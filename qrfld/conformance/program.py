"""The client under test as a command that the runner starts for each case."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shlex
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final, Self

from qrfld.conformance.verdict import TargetError

#: Each value also stands for its name in braces in the command.
VARIABLE: Final = "QRFLD_CONFORMANCE_{}"
STOP_SECONDS: Final = 2.0


class Program:
    """A command, its output, and where it may keep its state from case to case."""

    def __init__(self, words: Sequence[str], log: Path | None) -> None:
        self._words = words
        self._log = log or Path(os.devnull)

    @classmethod
    def parse(cls, command: str, log: Path | None) -> Self:
        """Split ``command`` as a shell would; TargetError if that cannot be done."""
        try:
            words = shlex.split(command)
        except ValueError as error:
            raise TargetError(f"the command cannot be read: {error}") from error
        if not words:
            raise TargetError("the command is empty")
        return cls(words, log)

    @asynccontextmanager
    async def running(self, values: Mapping[str, str]) -> AsyncIterator[None]:
        """The command with these values; it is gone afterwards. TargetError if it cannot start."""
        words = [_filled(word, values) for word in self._words]
        named = {VARIABLE.format(name.upper()): value for name, value in values.items()}
        with self._log.open("ab") as output:
            try:
                process = await asyncio.create_subprocess_exec(
                    *words,
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                    env={**os.environ, **named},
                )
            except OSError as error:
                raise TargetError(f"{words[0]} cannot be started: {error.strerror}") from error
        try:
            yield
        finally:
            await _stop(process)


async def _stop(process: asyncio.subprocess.Process) -> None:
    with contextlib.suppress(ProcessLookupError):
        process.terminate()
    try:
        async with asyncio.timeout(STOP_SECONDS):
            await process.wait()
    except TimeoutError:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


def _filled(word: str, values: Mapping[str, str]) -> str:
    for name, value in values.items():
        word = word.replace(f"{{{name}}}", value)
    return word
