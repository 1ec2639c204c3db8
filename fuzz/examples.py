"""One value of every message and statement: what the corpus began with."""

from __future__ import annotations

from fuzz.world import FEDERATION, identity
from qrfld.crypto.addresses import AddressRecord
from qrfld.crypto.certificates import Admission
from qrfld.crypto.encoding import Structure
from qrfld.crypto.genesis import Genesis, Limits
from qrfld.crypto.tokens import Token
from qrfld.protocol import messages
from qrfld.protocol.messages import Message
from qrfld.protocol.statements import RoundRecord, RunConfig, UpdateEntry, UpdateStatement

_RUN = bytes(range(16))
_HASH = b"\x11" * 32
_OTHER = b"\x22" * 32


def all_messages() -> list[Message]:
    """One of each type, every optional field present somewhere."""
    return [
        messages.Hello(software="qrfld/1", certificate=b"certificate", addresses=b"addresses"),
        messages.Join(token_id=_RUN, secret=_HASH, name="böb"),
        messages.Welcome(genesis=b"genesis", certificate=b"certificate"),
        messages.Refused(about=2, error=3, reason="used up"),
        messages.Members(
            entries=(
                messages.MemberEntry(certificate=b"one"),
                messages.MemberEntry(certificate=b"two", addresses=b"record"),
            )
        ),
        messages.Digest(members=((_HASH, 7), (_OTHER, 1 << 40))),
        messages.RunOffer(config=b"config"),
        messages.RoundStart(
            run=_RUN, round=1, model=_HASH, model_bytes=2600, previous=bytes(32), seconds_left=30.0
        ),
        messages.Update(statement=b"statement"),
        messages.UpdateReceipt(run=_RUN, round=1, update=_HASH, accepted=True, reason=""),
        messages.Evaluate(run=_RUN, round=1, model=_HASH, model_bytes=2600),
        messages.Evaluation(run=_RUN, round=1, model=_HASH, accuracy=0.5, loss=0.25, samples=40),
        messages.RoundRecordMessage(statement=b"record"),
        messages.RunEnd(run=_RUN, state=2, reason="stopped"),
        messages.TrainingFailed(run=_RUN, round=1, reason="no data"),
        messages.RunSync(run=_RUN, next_round=3),
    ]


def all_structures() -> list[Structure]:
    """One of each structure that is signed, or stands in a token."""
    founder, member = identity("founder"), identity("member")
    return [
        Genesis(
            format=1,
            name="federation",
            suites=(1,),
            founder_suite=1,
            founder_key=founder.public_key,
            validators=(bytes(founder.node_id),),
            limits=Limits(max_members=10, max_model_bytes=1 << 20),
            created_at=1,
            nonce=bytes(16),
        ),
        Admission(
            federation=FEDERATION,
            suite_id=1,
            public_key=member.public_key,
            name="member",
            issued_at=1,
            issuer=bytes(founder.node_id),
            serial=bytes(16),
        ),
        AddressRecord(
            federation=FEDERATION,
            node=bytes(member.node_id),
            sequence=3,
            addresses=("node.example:7483", "[::1]:7483"),
        ),
        RunConfig(
            federation=FEDERATION,
            coordinator=_HASH,
            task="digits",
            task_digest=_OTHER,
            params=(("alpha", 0.5), ("epochs", 2), ("iid", True), ("model", "mlp")),
            rounds=10,
            rule="trimmed-mean",
            f=1,
            quorum=2,
            deadline_seconds=30.0,
            seed=7,
            members=(_HASH, _OTHER),
            started_at=1,
            nonce=bytes(16),
        ),
        UpdateStatement(
            run=_RUN,
            round=1,
            base_model=_HASH,
            update=_OTHER,
            update_bytes=2600,
            samples=287,
            loss=0.5,
        ),
        RoundRecord(
            run=_RUN,
            round=2,
            previous=_HASH,
            base_model=_HASH,
            model=_OTHER,
            rule="mean",
            f=0,
            updates=(UpdateEntry(node=_HASH, update=_OTHER, samples=5, verdict=1),),
            stragglers=(_OTHER,),
            evaluations=1,
            accuracy=0.5,
            loss=0.5,
            seconds=1.5,
            bytes_sent=1,
            bytes_received=2,
            finished_at=3,
        ),
        Token(
            federation=FEDERATION,
            suite_id=1,
            issuer=bytes(founder.node_id),
            token_id=bytes(16),
            secret=_HASH,
            expires_at=1,
            addresses=("node.example:7483",),
        ),
    ]
