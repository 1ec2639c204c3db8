"""The catalogue for clients against our own dialler, and against one with a check less."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace

import pytest
from mesh import Federation

from qrfld.conformance import client, report, runner
from qrfld.conformance.calls import Calls
from qrfld.conformance.cases import blobs
from qrfld.conformance.house import House
from qrfld.conformance.program import Program
from qrfld.conformance.verdict import Result, TargetError, Verdict
from qrfld.crypto import genesis
from qrfld.crypto.identity import Identity
from qrfld.crypto.signed import Signed
from qrfld.crypto.tokens import Token
from qrfld.errors import QrfldError
from qrfld.net import admission
from qrfld.net.admission import Admitted, redeem
from qrfld.net.timing import Timing
from qrfld.protocol import bulk, connection, handshake

#: Our client calls again as soon as it was turned away.
EAGER = Timing(head_start=0.0, tick=0.1, connect=2.0, backoff_first=0.01, backoff_most=0.01)
#: What our client cannot show: it offers both AEADs; and it may read as fast as we send.
UNDECIDED = {"m2-aead-known", "credit-exceeded"}


@dataclass
class Guest(Program):
    """Our own client in this process: it joins with its token, then calls again and again."""

    directory: Path
    house: House
    tasks: dict[str, asyncio.Task[None]] = field(default_factory=dict)

    @asynccontextmanager
    async def running(self, values: Mapping[str, str]) -> AsyncIterator[None]:
        """Start it, unless it has lived since an earlier case with this state."""
        state = values["state"]
        if state not in self.tasks:
            self.tasks[state] = asyncio.create_task(self._live(values["address"], values["token"]))
        yield
        if values["case"].startswith(("join", "welcome")):  # these are about a client that is new
            await self._end(state)

    async def stop(self) -> None:
        for state in list(self.tasks):
            await self._end(state)

    async def _end(self, state: str) -> None:
        task = self.tasks.pop(state)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    async def _live(self, address: str, token: str) -> None:
        identity = Identity.generate(1)
        try:
            await redeem(Token.parse(token), identity, "client")
        except QrfldError:
            return
        guests = Federation(self.directory / identity.node_id.short)
        guests.founder, guests.genesis_bytes = self.house.identity, self.house.genesis
        guests.genesis, guests.id = genesis.parse(self.house.genesis), self.house.federation
        there = SimpleNamespace(identity=self.house.identity, address=address)
        try:
            await guests.node("client", identity=identity, knows=(there,), timing=EAGER)  # type: ignore[arg-type]  # all that it looks at
            await asyncio.Event().wait()
        finally:
            await guests.stop()


async def run(directory: Path, *only: str, prompt: float = 1.5) -> list[Result]:
    calls = Calls(House.found(1), None, prompt, 10.0)
    guest = calls.program = Guest(directory, calls.house)
    async with client.planned(calls, "127.0.0.1", 0) as reception:
        try:
            plans = runner.chosen(reception.plans, only)
            return [result async for result in runner.judge(plans)]
        finally:
            await guest.stop()


def without_blobs() -> list[str]:
    """A mesh alone trains nothing: tests/cli/test_conformance.py has a daemon for those cases."""
    training = {case.id for case in blobs.CASES}
    return [case.id for case in client.catalogue() if case.id not in training]


def broken(results: list[Result]) -> list[str]:
    return [line for r in results if r.verdict is not Verdict.PASSED for line in report.lines(r)]


async def test_our_client_keeps_every_rule_of_the_catalogue(tmp_path: Path) -> None:
    results = await run(tmp_path, *without_blobs())
    assert broken([r for r in results if r.id not in UNDECIDED]) == []
    assert [r.id for r in results] == without_blobs()


def test_ids_of_the_catalogue_are_unique() -> None:
    ids = [case.id for case in client.catalogue()]
    assert len(set(ids)) == len(ids)


Mutation = Callable[[pytest.MonkeyPatch], None]


def signature_unverified(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(handshake, "_verify", lambda *_: None)


def retried_for_ever(patch: pytest.MonkeyPatch) -> None:
    never = property(lambda _: False, lambda *_: None)
    patch.setattr(handshake.Initiator, "_retried", never, raising=False)


def bulk_mac_unchecked(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(bulk.hmac, "compare_digest", lambda *_: True)


def certificates_unverified(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Signed, "verify", lambda *_: None)


def welcome_unchecked(patch: pytest.MonkeyPatch) -> None:
    def checked(token: Token, identity: Identity, welcome: object, hello: object) -> Admitted:
        return Admitted(b"", b"", token.issuer_id, b"", None)

    patch.setattr(admission, "_checked", checked)


def record_length_unbounded(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(connection, "MAX_CONTROL_SEALED", 2**32 - 1)


MUTANTS: list[tuple[Mutation, str]] = [
    (signature_unverified, "m2-signature"),
    (retried_for_ever, "retry-twice"),
    (bulk_mac_unchecked, "b2-mac"),
    (certificates_unverified, "hello-signature"),
    (welcome_unchecked, "welcome-other-genesis"),
    (record_length_unbounded, "record-too-long"),
]


@pytest.mark.parametrize(
    ("mutation", "case"), MUTANTS, ids=[f"{m.__name__}-{c}" for m, c in MUTANTS]
)
async def test_client_with_a_check_less_is_caught(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mutation: Mutation, case: str
) -> None:
    mutation(monkeypatch)
    (result,) = await run(tmp_path, case, prompt=0.5)
    assert result.verdict is Verdict.FAILED, result


async def test_nobody_calls_and_the_run_ends() -> None:
    async with client.receiving("127.0.0.1", 0, patience=0.05) as reception:
        with pytest.raises(TargetError, match="no client called"):
            async for _ in runner.judge(reception.plans):
                pass


async def test_port_is_taken_and_the_error_says_so() -> None:
    async with client.receiving("127.0.0.1", 0) as one:
        port = int(one.address.rpartition(":")[2])
        with pytest.raises(TargetError, match="cannot listen"):
            async with client.receiving("127.0.0.1", port):
                pass
