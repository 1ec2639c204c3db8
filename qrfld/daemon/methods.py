"""What the control socket offers: one small function a method, plain maps in and out."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Iterable, Mapping
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from qrfld import __version__
from qrfld.control import Methods
from qrfld.crypto.identity import NodeId
from qrfld.crypto.providers import provider_for
from qrfld.crypto.suites import suite
from qrfld.crypto.tokens import Token
from qrfld.daemon.node import Daemon
from qrfld.errors import IdentityError, UsageError
from qrfld.protocol.control_frames import MAX_ANSWER_BYTES
from qrfld.protocol.statements import MAX_PARAMS, Param, ParamName
from qrfld.rounds.errors import RunNotFoundError
from qrfld.rounds.ledger import read_record
from qrfld.rounds.request import RunRequest
from qrfld.rounds.summary import config_summary, round_summary, run_summary
from qrfld.store.rows import RunRow, TokenRow

READ_MOST = 512 * 1024
ROUNDS_SHOWN = 1000
#: What the items of a list may take up of an answer's `MAX_ANSWER_BYTES`.
ANSWER_BYTES = MAX_ANSWER_BYTES * 3 // 4

Count = Annotated[int, Meta(ge=0, le=65535)]


class NoParams(msgspec.Struct, forbid_unknown_fields=True):
    """A method without parameters."""


class TokenParams(msgspec.Struct, forbid_unknown_fields=True):
    """How long a token stays valid, in seconds."""

    expires_seconds: Annotated[int, Meta(ge=1, le=31_536_000)] = 3600


class RunParams(msgspec.Struct, forbid_unknown_fields=True):
    """A run to start."""

    task: Annotated[str, Meta(min_length=1, max_length=4096)]
    rounds: Annotated[int, Meta(ge=1, le=100_000)]
    rule: Annotated[str, Meta(min_length=1, max_length=32)] = "trimmed-mean"
    f: Count | None = None
    quorum: Count | None = None
    deadline_seconds: Annotated[float, Meta(gt=0, le=604_800)] = 60.0
    seed: Annotated[int, Meta(ge=0, le=2**63 - 1)] = 0
    params: Annotated[dict[ParamName, Param], Meta(max_length=MAX_PARAMS)] = {}


class RunName(msgspec.Struct, forbid_unknown_fields=True):
    """A run by the beginning of its id, or ``latest``."""

    run: Annotated[str, Meta(min_length=1, max_length=64)] = "latest"


class ModelPart(msgspec.Struct, forbid_unknown_fields=True):
    """A part of a model's file: from ``offset`` on, as much as one answer holds."""

    hash: Annotated[str, Meta(pattern=r"^[0-9a-f]{64}\Z")]
    offset: Annotated[int, Meta(ge=0, le=2**48)] = 0


class Control:
    """The methods of one daemon."""

    def __init__(self, daemon: Daemon) -> None:
        self._daemon = daemon

    def methods(self) -> Methods:
        """Name, parameters and function of every method."""
        return {
            "status": (NoParams, self.status),
            "peers": (NoParams, self.peers),
            "token.create": (TokenParams, self.create_token),
            "token.list": (NoParams, self.list_tokens),
            "run.start": (RunParams, self.start_run),
            "run.stop": (RunName, self.stop_run),
            "run.list": (NoParams, self.list_runs),
            "run.show": (RunName, self.show_run),
            "model.list": (NoParams, self.list_models),
            "model.read": (ModelPart, self.read_model),
            "config.show": (NoParams, self.show_config),
            "shutdown": (NoParams, self.shutdown),
        }

    async def status(self, _: NoParams) -> dict[str, Any]:
        """Everything a glance needs."""
        daemon = self._daemon
        identity, first = daemon.identity, daemon.genesis.suites[0]
        rows = await daemon.database.runs()
        latest = rows[0] if rows else None
        peers = self._peers()
        return {
            "node": _node(identity.node_id, daemon.peers.name(identity.node_id)),
            "federation": {"id": daemon.federation.hex(), "name": daemon.genesis.name},
            "version": __version__,
            "suite": suite(first).name,
            "provider": provider_for(first).name,
            "uptime_seconds": time.monotonic() - daemon.started,
            "pid": os.getpid(),
            "listen": daemon.listening,
            "attack": daemon.config.lab.attack,
            "members": len(daemon.peers.members),
            "sessions": len(daemon.peers.connected()) - 1,
            "warnings": daemon.warnings(),
            "run": await self._summary(latest) if latest else None,
            "peers": peers,
        }

    async def peers(self, _: NoParams) -> dict[str, Any]:
        """Every member and the session with it."""
        return {"peers": self._peers()}

    def _peers(self) -> list[dict[str, Any]]:
        mesh, now = self._daemon.peers, asyncio.get_running_loop().time()
        return [mesh.describe(node, now) for node in mesh.everybody()]

    async def create_token(self, params: TokenParams) -> dict[str, Any]:
        """A one-time token for one new member; only validators can issue one."""
        daemon = self._daemon
        if not daemon.issuer.may_issue:
            raise IdentityError(
                "this node is not a validator of the federation and cannot admit members",
                hint="create the token on the node that founded it",
            )
        own = daemon.peers.members.get(daemon.identity.node_id)
        expires_at = int(time.time()) + params.expires_seconds
        token = Token.create(
            federation=daemon.federation,
            suite_id=daemon.identity.suite_id,
            issuer=daemon.identity.node_id,
            expires_at=expires_at,
            addresses=(own.where if own else ())[:4],
        )
        await daemon.database.create_token(
            token.token_id, token.secret_hash(), expires_at, time.time()
        )
        return {"token": token.text(), "id": token.token_id.hex(), "expires_at": expires_at}

    async def list_tokens(self, _: NoParams) -> dict[str, Any]:
        """The tokens this node has issued, newest first; never their secrets."""
        now = time.time()
        tokens = (
            {
                "id": row.token_id.hex(),
                "expires_at": int(row.expires_at),
                "state": _token_state(row, now),
                "redeemed_by": NodeId(row.redeemed_by).short if row.redeemed_by else None,
            }
            for row in await self._daemon.database.tokens()
        )
        return {"tokens": fitting(tokens)}

    async def start_run(self, params: RunParams) -> dict[str, Any]:
        """Start a run with all members; this node coordinates it."""
        request = RunRequest(
            task=params.task,
            rounds=params.rounds,
            rule=params.rule,
            f=params.f,
            quorum=params.quorum,
            deadline_seconds=params.deadline_seconds,
            seed=params.seed,
            params=params.params,
        )
        return {"run": (await self._daemon.runs.start_run(request)).hex()}

    async def stop_run(self, params: RunName) -> dict[str, Any]:
        """Stop a run that this node coordinates."""
        row = await self._find(params.run)
        await self._daemon.runs.stop_run(row.run_id)
        return {"run": row.run_id.hex()}

    async def list_runs(self, _: NoParams) -> dict[str, Any]:
        """The runs this node has taken part in, newest first, as many as an answer holds."""
        rows = await self._daemon.database.runs()
        return {"runs": fitting([await self._summary(row) for row in rows])}

    async def show_run(self, params: RunName) -> dict[str, Any]:
        """One run with its last rounds, as many as an answer holds."""
        daemon = self._daemon
        row = await self._find(params.run)
        summary = await self._summary(row)
        first = max(1, summary["round"] - ROUNDS_SHOWN + 1)
        records = await daemon.database.records(row.run_id, first, ROUNDS_SHOWN)
        rounds = fitting(
            round_summary(read_record(each.record), each.record_id, daemon.peers)
            for each in reversed(records)
        )
        config = config_summary(row.config, daemon.peers)
        return {**summary, "config": config, "rounds": rounds[::-1]}

    async def list_models(self, _: NoParams) -> dict[str, Any]:
        """The models that are still on disk, newest run first."""
        daemon, found = self._daemon, {}
        for row in await daemon.database.runs():
            for stored in await daemon.database.records(row.run_id):
                record = read_record(stored.record)
                if daemon.blobs.has(record.model):
                    found[record.model] = {
                        "hash": record.model.hex(),
                        "run": row.run_id.hex(),
                        "round": record.round,
                        "bytes": daemon.blobs.size(record.model),
                        "accuracy": record.accuracy,
                    }
        return {"models": list(found.values())}

    async def read_model(self, params: ModelPart) -> dict[str, Any]:
        """A part of a model's file."""
        blobs, blob = self._daemon.blobs, bytes.fromhex(params.hash)
        if not blobs.has(blob):
            raise UsageError(f"no model {params.hash} on this node", hint="qrfl model list")

        def read() -> bytes:
            with blobs.open(blob) as file:
                file.seek(params.offset)
                return file.read(READ_MOST)

        return {"data": await asyncio.to_thread(read), "size": blobs.size(blob)}

    async def show_config(self, _: NoParams) -> dict[str, Any]:
        """The settings in force."""
        return {"config": self._daemon.config.describe()}

    async def shutdown(self, _: NoParams) -> dict[str, Any]:
        """Stop the daemon."""
        self._daemon.stopping.set()
        return {}

    async def _summary(self, row: RunRow) -> dict[str, Any]:
        return await run_summary(self._daemon.run_node, self._daemon.runs, row)

    async def _find(self, name: str) -> RunRow:
        rows = await self._daemon.database.runs()
        if name == "latest" and rows:
            return rows[0]
        matches = [row for row in rows if row.run_id.hex().startswith(name)]
        if len(matches) == 1:
            return matches[0]
        problem = "matches several runs" if matches else "matches no run"
        raise RunNotFoundError(f"{name!r} {problem} on this node", hint="qrfl run list")


def fitting(items: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """The first of ``items``, as many as leave room for the rest of an answer."""
    held, room = [], ANSWER_BYTES
    for item in items:
        room -= len(msgspec.msgpack.encode(item))
        if room < 0:
            break
        held.append(item)
    return held


def _token_state(row: TokenRow, now: float) -> str:
    if row.redeemed_by is not None:
        return "redeemed"
    return "expired" if now >= row.expires_at else "open"


def _node(node: NodeId, name: str) -> Mapping[str, str]:
    return {"id": str(node), "short": node.short, "name": name}
