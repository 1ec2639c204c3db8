"""Vectors of the area ``hello``: the member table and a real, empty database."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from vector_areas_signed import founded
from vector_files import unhex

from qrfld.crypto.errors import CertificateError
from qrfld.crypto.identity import PublicIdentity
from qrfld.net.hellos import believe
from qrfld.net.members import Known, Member, Members
from qrfld.protocol.messages import Hello, decode_message
from qrfld.protocol.tickets import Tickets
from qrfld.store.database import Database


def run_hello(vector: dict[str, Any]) -> str:
    return asyncio.run(_admitted(vector))


async def _admitted(vector: dict[str, Any]) -> str:
    founder, peer = (_public(vector[name]) for name in ("founder", "peer"))
    genesis = founded(founder, tuple(vector["suites"]))
    hello = decode_message(unhex(vector["body"]))
    assert isinstance(hello, Hello)
    session: Any = SimpleNamespace(
        node_id=peer.node_id, protocol=SimpleNamespace(resumed=vector["resumed"])
    )
    with tempfile.TemporaryDirectory() as directory:
        database = await Database.open(Path(directory) / "qrfld.db", create=True)
        federation = unhex(vector["federation"])
        members = Members(founder.node_id, federation, genesis, database, {}, lambda: 0.0)
        if vector["admitted"]:
            members._known[peer.node_id] = Known(Member(peer, "bob", 0), b"")
        try:
            member, _ = await believe(session, hello, members, Tickets())
        except CertificateError:
            return "not-admitted"
        finally:
            database.close()
    assert member.node_id == peer.node_id
    return "ok"


def _public(key: dict[str, Any]) -> PublicIdentity:
    return PublicIdentity(key["suite"], bytes.fromhex(key["public_key"]))
