"""resumption/: sessions from tickets, and S1, S2 and S3 that are refused (section 5.7)."""

from __future__ import annotations

import hmac
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from making.basics import Vector, hexed
from making.frames import RESUME_CONFIRM, ping
from making.handshakes import MESSAGE
from making.keys import (
    AES,
    CHACHA,
    SUITES,
    Chain,
    Identity,
    Suite,
    encapsulate,
    expand_label,
    identity,
    kem_key,
    transcript,
    x25519,
    x25519_public,
)
from making.sessions import (
    FEDERATION,
    I_RANDOM,
    I_X25519,
    KEM_M,
    KEM_SEED,
    R_RANDOM,
    R_X25519,
    Change,
    same,
)
from making.steps import FAILED, SILENT, coefficient_q, flip

ROLES = ("initiator", "responder")


@dataclass(frozen=True)
class Resumption:
    """I resumes with a ticket of the session before, in which it was the side ``dials``."""

    suite: Suite
    aead: int = AES
    dials: str = "initiator"
    # What an honest node does not change.
    start: bytes = b"QRFS\x01"
    name_of: str = "initiator"
    s1_secret: Change = same
    mac_label: str = "resume mac"
    i_kem_key: Change = same
    i_dh_key: Change = same
    r_dh_key: Change = same
    nodes: Callable[[Resumption], tuple[bytes, bytes]] = lambda one: (one.i.node_id, one.r.node_id)
    federation: bytes = FEDERATION
    salt: Change = same
    confirm_label: str = "resume confirm"

    @property
    def i(self) -> Identity:
        return identity(self.suite.id, 0)

    @property
    def r(self) -> Identity:
        return identity(self.suite.id, 32)

    @property
    def before(self) -> bytes:
        """The master of the session before."""
        return bytes((0xE0 + at) % 256 for at in range(self.suite.hlen))

    def expand(self, secret: bytes, label: str, context: bytes = b"", size: int = 0) -> bytes:
        return expand_label(self.suite, secret, label, context, size or self.suite.hlen)

    def ticket(self, role: str) -> bytes:
        return self.expand(self.before, f"ticket {role}", size=16)

    @property
    def ticket_secret(self) -> bytes:
        return self.expand(self.before, f"ticket secret {self.dials}")

    @property
    def mac_key(self) -> bytes:
        return self.expand(self.s1_secret(self.ticket_secret), self.mac_label)

    @cached_property
    def s1(self) -> bytes:
        role = self.dials if self.name_of == "initiator" else self.name_of
        keys = self.i_kem_key(kem_key(self.suite, KEM_SEED)) + self.i_dh_key(
            x25519_public(I_X25519)
        )
        body = self.start + self.ticket(role) + I_RANDOM + keys
        return body + hmac.digest(self.mac_key, body, "sha256")

    @cached_property
    def _encapsulated(self) -> tuple[bytes, bytes]:
        return encapsulate(self.suite, kem_key(self.suite, KEM_SEED), KEM_M)

    @cached_property
    def ss_x25519(self) -> bytes:
        return x25519(I_X25519, x25519_public(R_X25519))

    @cached_property
    def answer(self) -> bytes:
        """S2 before the confirmation."""
        return R_RANDOM + self._encapsulated[0] + self.r_dh_key(x25519_public(R_X25519))

    @cached_property
    def th(self) -> bytes:
        return transcript(self.suite, self.federation, *self.nodes(self), self.s1, self.answer)

    @cached_property
    def secret(self) -> bytes:
        both = self._encapsulated[1] + self.ss_x25519
        return hmac.digest(self.salt(self.ticket_secret), both, self.suite.hash)

    @property
    def confirmation(self) -> bytes:
        return self.expand(self.secret, self.confirm_label, self.th, 32)

    @property
    def s2(self) -> bytes:
        return self.answer + self.confirmation

    @property
    def master(self) -> bytes:
        return self.expand(self.secret, "resume master", self.th)

    def traffic(self, role: str) -> Chain:
        return Chain(self.suite, self.aead, self.expand(self.master, f"traffic {role}"))

    @property
    def s3(self) -> bytes:
        return self.traffic("initiator").record(0, bytes([RESUME_CONFIRM]))

    def tickets(self, master: bytes) -> dict[str, str]:
        names = {f"ticket_{r}": self.expand(master, f"ticket {r}", size=16).hex() for r in ROLES}
        proofs = {
            f"ticket_secret_{r}": self.expand(master, f"ticket secret {r}").hex() for r in ROLES
        }
        return names | proofs

    def inputs(self) -> dict[str, Any]:
        """What both sides begin with."""
        return {
            "wire_suite": self.aead << 8 | self.suite.id,
            "federation": FEDERATION.hex(),
            "before": {
                "side_that_dials": self.dials,
                "master": self.before.hex(),
                **self.tickets(self.before),
            },
            "initiator": {
                "identity_seed": self.i.seed.hex(),
                "node_id": self.i.node_id.hex(),
                "random": I_RANDOM.hex(),
                "kem_seed": KEM_SEED.hex(),
                "x25519_private": I_X25519.hex(),
            },
            "responder": {
                "identity_seed": self.r.seed.hex(),
                "node_id": self.r.node_id.hex(),
                "random": R_RANDOM.hex(),
                "kem_m": KEM_M.hex(),
                "x25519_private": R_X25519.hex(),
            },
        }


def vectors() -> Iterator[Vector]:
    """All vectors of the area."""
    for slug, comment, one in (
        ("suite-1-aes", "the initiator of the session before dials", Resumption(SUITES[1])),
        ("suite-1-chacha", "ChaCha20", Resumption(SUITES[1], CHACHA)),
        ("suite-2-chacha", "the responder of the session before dials",
         Resumption(SUITES[2], CHACHA, "responder")),
    ):  # fmt: skip
        yield Vector(f"resumption/{slug}", "ok", "5.7", comment, _whole(one))
    yield from _s1()
    yield from _s2()
    yield from _s3()


def _whole(one: Resumption) -> dict[str, Any]:
    ours, theirs = (one.traffic(role) for role in ROLES)
    return one.inputs() | {
        "mac_key": one.mac_key.hex(),
        "s1": one.s1.hex(),
        "s2": one.s2.hex(),
        "s3": one.s3.hex(),
        "ss_mlkem": one._encapsulated[1].hex(),
        "ss_x25519": one.ss_x25519.hex(),
        "th": one.th.hex(),
        "secret": one.secret.hex(),
        "confirmation": one.confirmation.hex(),
        "master": one.master.hex(),
        "traffic_initiator": ours.json(),
        "traffic_responder": theirs.json(),
        "session_id": one.expand(one.master, "session id", size=16).hex(),
        "bulk": one.expand(one.master, "bulk").hex(),
        "exporter": one.expand(one.master, "exporter").hex(),
        **one.tickets(one.master),
        "records": {
            "initiator_message": ours.record(1, MESSAGE).hex(),
            "responder_ping": theirs.record(0, ping(b"pingping")).hex(),
        },
    }


GOOD = Resumption(SUITES[1])


def _step(
    slug: str,
    expect: str,
    comment: str,
    role: str,
    received: list[bytes],
    sent: list[bytes],
    **more: Any,
) -> Vector:
    messages = {"received": [hexed(m) for m in received], "sent": [hexed(m) for m in sent]}
    values = {"role": role, **GOOD.inputs(), **more, **messages}
    return Vector(f"resumption/{slug}", expect, "5.7", comment, values)


def _s1() -> Iterator[Vector]:
    for slug, comment, data in (
        ("version-2", "a later version", b"QRFS\x02"),
        ("unknown-ticket", "a ticket that R does not hold", GOOD.s1[:5] + bytes(16)),
        ("other-role", "the ticket that R dials with", replace(GOOD, name_of="responder").s1[:21]),
        ("mac", "the last bit of the mac", flip(GOOD.s1, -1)),
        ("random-changed", "the random was changed", flip(GOOD.s1, 21)),
        ("kem-key-changed", "the KEM key was changed", flip(GOOD.s1, 53)),
        ("other-secret", "the mac is made with another secret",
         replace(GOOD, s1_secret=lambda secret: bytes(len(secret))).s1),
        ("other-label", "the mac is made with another label",
         replace(GOOD, mac_label="bulk mac initiator").s1),
    ):  # fmt: skip
        yield _step(f"s1-{slug}", SILENT, comment, "responder", [data], [])
    comment = "the ticket was used before"
    yield _step("s1-used", SILENT, comment, "responder", [GOOD.s1[:21]], [], used=True)
    for slug, comment, one in (
        ("kem-coefficient", "a coefficient of the KEM key is q",
         replace(GOOD, i_kem_key=coefficient_q)),
        ("x25519-zero", "an X25519 key of zeros", replace(GOOD, i_dh_key=lambda _: bytes(32))),
    ):  # fmt: skip
        yield _step(f"s1-{slug}", FAILED, comment, "responder", [one.s1], [])
    comment = "TCP ends before the last byte of S1"
    yield _step("s1-end", "truncated", comment, "responder", [GOOD.s1[:-1]], [], end=True)


def _s2() -> Iterator[Vector]:
    s2, ciphertext = GOOD.s2, GOOD.suite.ciphertext
    elsewhere = replace(GOOD, federation=bytes(32))
    swapped = replace(GOOD, nodes=lambda one: (one.r.node_id, one.i.node_id))
    zero = replace(GOOD, r_dh_key=lambda _: bytes(32))
    zero.__dict__["ss_x25519"] = bytes(32)
    for slug, comment, data in (
        ("confirmation", "the last bit of the confirmation", flip(s2, -1)),
        ("random", "the random was changed", flip(s2, 0)),
        ("ciphertext", "the KEM ciphertext was changed", flip(s2, 32)),
        ("x25519", "the X25519 key was changed", flip(s2, 32 + ciphertext)),
        ("x25519-high-bit", "the bit of the X25519 key that X25519 ignores was changed",
         s2[: 63 + ciphertext] + bytes([s2[63 + ciphertext] ^ 0x80]) + s2[64 + ciphertext :]),
        ("x25519-zero", "an X25519 key of zeros, as its author knows", zero.s2),
        ("no-ticket", "confirmed without the ticket's secret",
         replace(GOOD, salt=lambda secret: bytes(len(secret))).s2),
        ("nodes-swapped", "the two node IDs in the other order", swapped.s2),
        ("other-federation", "the transcript of another federation", elsewhere.s2),
        ("other-label", "confirmed with another label",
         replace(GOOD, confirm_label="resume master").s2),
    ):  # fmt: skip
        yield _step(f"s2-{slug}", FAILED, comment, "initiator", [data], [GOOD.s1])


def _s3() -> Iterator[Vector]:
    chain, sealed = GOOD.traffic("initiator"), GOOD.s3
    longer = (18).to_bytes(4) + chain.seal(0, b"\x08\x00", (18).to_bytes(4))
    for slug, comment, data in (
        ("length", "a record of 18 bytes", longer[:21]),
        ("tag", "the last bit of the tag", flip(sealed, -1)),
        ("counter", "sealed as the second record", chain.record(1, bytes([RESUME_CONFIRM]))),
        ("other-frame", "a BULK_CONFIRM in its place", chain.record(0, b"\x07")),
        ("responders-key", "sealed with the responder's key",
         GOOD.traffic("responder").record(0, bytes([RESUME_CONFIRM]))),
    ):  # fmt: skip
        yield _step(f"s3-{slug}", FAILED, comment, "responder", [GOOD.s1, data], [GOOD.s2])
