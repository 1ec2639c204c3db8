"""Nodes for tests of runs, on a `memory_mesh.Network`: real keys, databases, blobs and tasks.

A `Site` is a node with the `Runs` service; it can crash and come back over the same files. A
`Puppet` is a member whose every message the test writes itself, honest or not.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import numpy as np
from memory_mesh import MemoryMesh, Network
from numpy.typing import ArrayLike
from run_statements import FEDERATION

from qrfld.crypto.identity import Identity, NodeId
from qrfld.crypto.labels import Kind
from qrfld.crypto.signed import open_signed, seal
from qrfld.protocol.messages import (
    Evaluate,
    Evaluation,
    Message,
    RoundRecordMessage,
    RoundStart,
    Update,
    UpdateReceipt,
)
from qrfld.protocol.statements import RoundRecord, UpdateStatement, Verdict
from qrfld.protocol.tensors import encode
from qrfld.rounds.ledger import Ledger, read_config, read_record
from qrfld.rounds.node import Node
from qrfld.rounds.request import RunRequest
from qrfld.rounds.service import Runs
from qrfld.store.blobs import Blobs
from qrfld.store.database import Database
from qrfld.tasks import loader
from qrfld.tasks.errors import by_name
from qrfld.tasks.execution import Execution
from qrfld.tasks.jobs import Evaluated, Failed, Initialised, Job, Trained
from qrfld.tasks.pool import Worker
from qrfld.tasks.worker import perform

PATIENCE = 20.0
SIZE = 6

TINY = '''\
"""A task of a few numbers: each round every node moves the model towards ten."""

import numpy as np
from qrfld.tasks.base import Scores, Training


class Tiny:
    def init_model(self, context):
        if context.params.get("init") == "random":
            start = np.random.default_rng().random(4, dtype=np.float32)
        else:
            start = np.zeros(4, np.float32)
        return {"w": start, "b": np.zeros(2, np.float32)}

    def train(self, model, context):
        if context.params.get("broken") == context.index:
            raise ValueError("no data today")
        step = 1 + context.index / 100
        if context.params.get("noise"):
            step += np.random.default_rng().random()
        model["w"] += np.float32(step)
        return Training(model, 10 + context.index, 0.5)

    def evaluate(self, model, context):
        if context.params.get("blind") == context.index:
            raise ValueError("nothing held out")
        return Scores(min(1.0, max(0.0, float(model["w"].mean()) / 10)), 0.25, 5)
'''

M = TypeVar("M", bound=Message)
R = TypeVar("R", Initialised, Trained, Evaluated)
V = TypeVar("V")


class ThreadWorker(Worker):
    """The worker's own job code in a thread: for tests that need no process of its own."""

    async def _exchange(self, job: Job, kind: type[R]) -> R:
        result = await asyncio.to_thread(lambda: perform(Execution(self._spec), job))
        if isinstance(result, Failed):
            raise by_name(result.error)(result.message, hint=result.hint)
        assert isinstance(result, kind)
        return result


class World:
    """One federation: the network, the task file and everybody in it."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.network = Network()
        self.task = directory / "tiny.py"
        self.task.write_text(TINY)
        self.sites: list[Site] = []
        self.puppets: list[Puppet] = []

    async def site(
        self, name: str, *, worker: type[Worker] = ThreadWorker, database: type[Database] = Database
    ) -> Site:
        site = Site(self, name, worker)
        self.network.admit(name, site.identity)
        self.sites.append(site)
        await site.up(database)
        return site

    def puppet(self, name: str) -> Puppet:
        puppet = Puppet(self, name)
        self.network.admit(name, puppet.identity)
        self.puppets.append(puppet)
        return puppet

    async def cast(self, puppets: int = 2) -> tuple[Site, list[Puppet]]:
        """A coordinator and some members, connected."""
        site = await self.site("c")
        others = [self.puppet(f"p{number}") for number in range(puppets)]
        self.network.connect_all()
        return site, others

    def verdicts(self, record: RoundRecord) -> dict[str, str]:
        """What a record says of each member's update, by name."""
        return {
            self.network.identities[NodeId(entry.node)][0]: Verdict(entry.verdict).name.lower()
            for entry in record.updates
        }

    async def stop(self) -> None:
        for site in self.sites:
            if site.is_up:
                await site.crash()
        for puppet in self.puppets:
            await puppet.mesh.stop()


def storage(home: Path) -> Blobs:
    for name in ("blobs", "spool"):
        (home / name).mkdir(parents=True, exist_ok=True)
    return Blobs(home / "blobs", home / "spool", 1 << 24)


class Site:
    """A node with all of its rounds."""

    database: Database
    blobs: Blobs
    mesh: MemoryMesh
    node: Node
    runs: Runs

    def __init__(self, world: World, name: str, worker: type[Worker]) -> None:
        self.world = world
        self.name = name
        self.identity = Identity.generate(1)
        self.home = world.directory / name
        self.worker = worker
        self.tasks = {"Tiny": f"{world.task}:Tiny"}
        self.max_model_bytes = 1 << 20
        self.is_up = False

    @property
    def id(self) -> NodeId:
        return self.identity.node_id

    async def up(self, database: type[Database] = Database) -> None:
        self.blobs = storage(self.home)
        self.database = await database.open(self.home / "qrfld.db", create=True)
        self.mesh = MemoryMesh(self.world.network, self.identity, self.blobs)
        self.node = Node(
            identity=self.identity,
            federation=FEDERATION,
            mesh=self.mesh,
            database=self.database,
            blobs=self.blobs,
            new_worker=lambda spec: self.worker(spec, self.home / "spool", nice=0),
            task_spec=lambda name: self.tasks.get(name, name),
            task_digest=loader.digest,
            max_model_bytes=self.max_model_bytes,
            clock=lambda: 1_800_000_000.0,
        )
        self.runs = Runs(self.node)
        await self.runs.start()
        self.is_up = True

    async def crash(self) -> None:
        """Nothing more is sent, heard or written from here on."""
        self.is_up = False
        await self.mesh.stop()
        await self.runs.stop()
        await self.database.aclose()

    async def restart(self) -> None:
        await self.crash()
        await self.up()
        for node in self.world.network.meshes:
            if node != self.id:
                self.world.network.connect(self.id, node)

    async def start(self, **options: object) -> bytes:
        given = {"rounds": 3, "rule": "mean", "deadline_seconds": 10.0, **options}
        task = f"{self.world.task}:Tiny"
        return await self.runs.start_run(RunRequest(task=task, **given))  # type: ignore[arg-type]

    async def state(self, run: bytes) -> str:
        row = await self.database.run(run)
        return row.state if row else "unknown"

    async def reason(self, run: bytes) -> str:
        row = await self.database.run(run)
        assert row is not None
        return row.reason

    async def reaches(self, run: bytes, state: str) -> None:
        """Wait until the run is in a state and all that follows from it has been done."""
        async with asyncio.timeout(PATIENCE):
            while await self.state(run) != state or self.runs.active(run) is not None:
                await asyncio.sleep(0.01)

    async def phase(self, run: bytes, beginning: str) -> None:
        async with asyncio.timeout(PATIENCE):
            while (active := self.runs.active(run)) is None or not active.phase.startswith(
                beginning
            ):
                await asyncio.sleep(0.01)

    async def records(self, run: bytes) -> list[RoundRecord]:
        return [read_record(row.record) for row in await self.database.records(run)]


class Puppet:
    """A member without a will of its own."""

    def __init__(self, world: World, name: str) -> None:
        self.world = world
        self.name = name
        self.identity = Identity.generate(1)
        self.blobs = storage(world.directory / name)
        self.mesh = MemoryMesh(world.network, self.identity, self.blobs)
        self.mesh.generous = True

    @property
    def id(self) -> NodeId:
        return self.identity.node_id

    async def hears(self, kind: type[M]) -> M:
        """The next message of a kind; what comes before it is dropped."""
        async with asyncio.timeout(PATIENCE):
            while True:
                _, message = await self.mesh.unheard.get()
                if isinstance(message, kind):
                    return message

    async def receipt(self, site: Site, message: Message) -> UpdateReceipt:
        """What a site says to an update."""
        await self.mesh.send(site.id, message)
        return await self.hears(UpdateReceipt)

    def put(self, values: ArrayLike) -> tuple[bytes, int]:
        """Make a blob like the tiny task's updates; returns its hash and size."""
        vector = np.broadcast_to(np.asarray(values, np.float32), SIZE)
        return self.put_blob(b"".join(encode({"w": vector[:4], "b": vector[4:]})))

    def put_blob(self, data: bytes) -> tuple[bytes, int]:
        return self.blobs.put_bytes(data), len(data)

    def update(
        self,
        start: RoundStart,
        values: ArrayLike = 1.0,
        *,
        signer: Identity | None = None,
        **changes: object,
    ) -> Update:
        """A signed update for a round, with fields changed as the test wishes."""
        update, size = self.put(values)
        fields: dict[str, object] = {
            "run": start.run,
            "round": start.round,
            "base_model": start.model,
            "update": update,
            "update_bytes": size,
            "samples": 10,
            "loss": 0.5,
            **changes,
        }
        body = UpdateStatement(**fields)  # type: ignore[arg-type]
        return Update(statement=seal(signer or self.identity, Kind.UPDATE, body))

    async def score(self, site: Site, accuracy: float = 0.5, **changes: object) -> Evaluate:
        """Answer the next request to evaluate."""
        asked = await self.hears(Evaluate)
        await self.score_for(site, asked, accuracy, **changes)
        return asked

    async def score_for(
        self, site: Site, asked: Evaluate, accuracy: float = 0.5, **changes: object
    ) -> None:
        await self.mesh.send(site.id, evaluation(asked, accuracy, **changes))

    async def takes_part(self, site: Site, values: ArrayLike = 1.0) -> RoundRecord:
        """One whole honest round; returns its record."""
        start = await self.hears(RoundStart)
        assert (await self.receipt(site, self.update(start, values))).accepted
        await self.score(site)
        return await self.record(site)

    async def record(self, site: Site) -> RoundRecord:
        message = await self.hears(RoundRecordMessage)
        return open_signed(
            RoundRecord, message.statement, kind=Kind.ROUND_RECORD, signer=site.identity
        )


def evaluation(asked: Evaluate, accuracy: float = 0.5, **changes: object) -> Evaluation:
    fields: dict[str, object] = {"loss": 0.5, "samples": 10, **changes}
    return Evaluation(
        run=asked.run,
        round=asked.round,
        model=asked.model,
        accuracy=accuracy,
        **fields,  # type: ignore[arg-type]
    )


class Halting(Database):
    """A database at which the node stops dead, before or after one call, until it crashes.

    ``halt_at`` is "before NAME" or "after NAME" of a method; ``halted`` is set on the way.
    """

    halt_at: ClassVar[str] = ""
    halted: ClassVar[asyncio.Event]

    async def save_update(self, *values: Any) -> bool:
        return await self._halting("save_update", super().save_update(*values))

    async def save_own_update(self, *values: Any) -> None:
        return await self._halting("save_own_update", super().save_own_update(*values))

    async def close_round(self, *values: Any) -> bool:
        return await self._halting("close_round", super().close_round(*values))

    async def set_run_state(self, *values: Any) -> None:
        return await self._halting("set_run_state", super().set_run_state(*values))

    async def _halting(self, name: str, work: Coroutine[Any, Any, V]) -> V:
        if self.halt_at == f"before {name}":
            work.close()
            await self._halt()
        result = await work
        if self.halt_at == f"after {name}":
            await self._halt()
        return result

    async def _halt(self) -> None:
        self.halted.set()
        await asyncio.Event().wait()


def halting(at: str) -> type[Halting]:
    """A database class that halts at one point."""
    return type("HaltingHere", (Halting,), {"halt_at": at, "halted": asyncio.Event()})


async def check_chain(site: Site, run: bytes, *, distinct: bool = False) -> None:
    """S1 and S2: one record a round, each of which continues the one before.

    With ``distinct``, for runs in which no two updates are equal, S4 too: each in one record.
    """
    row = await site.database.run(run)
    assert row is not None
    identity = site.mesh.identity_of(NodeId(read_config(row.config).coordinator))
    assert identity is not None
    ledger = Ledger.open(row.config, identity, FEDERATION)
    for stored in await site.database.records(run):
        (body,) = [r for r in await site.records(run) if r.round == stored.round]
        ledger.check(body)
        ledger.append(body, stored.record_id)
    named = [entry.update for body in await site.records(run) for entry in body.updates]
    assert not distinct or len(named) == len(set(named))
