"""The genesis document: what founds a federation, signed by its founder.

It names the federation, the suites it allows (in order of preference; a suite that is not named is
never negotiated), the validators, and the limits that bind every member. The federation's ID is the
statement ID of its genesis: 32 bytes that go into every handshake, certificate and run, so that
nothing made for one federation is accepted in another.

In this format the founder is the one validator, and the document carries the founder's public key:
a genesis proves itself.
"""

from __future__ import annotations

import secrets
from typing import Annotated, Final

from msgspec import Meta

from qrfld.crypto.encoding import U8, U63, Bytes16, Hash, Key, Structure
from qrfld.crypto.errors import CryptoError, GenesisError, UnsupportedSuiteError
from qrfld.crypto.identity import Identity, PublicIdentity
from qrfld.crypto.labels import Kind
from qrfld.crypto.names import Name, name_flaw
from qrfld.crypto.parameters import PUBLIC_KEY_MAX_SIZE
from qrfld.crypto.signed import BODY_MAX_BYTES, Signed, seal, statement_id
from qrfld.crypto.suites import known

FORMAT: Final = 1
DEFAULT_MAX_MEMBERS: Final = 1000
DEFAULT_MAX_MODEL_BYTES: Final = 256 << 20


class Limits(Structure, frozen=True, kw_only=True):
    """What no member may exceed, whatever its own configuration says."""

    max_members: Annotated[Annotated[int, Meta(ge=1, le=1000)], Key(1)]
    max_model_bytes: Annotated[Annotated[int, Meta(ge=1, le=1 << 40)], Key(2)]


class Genesis(Structure, frozen=True, kw_only=True):
    """The body of a genesis document."""

    format: Annotated[U8, Key(0)]
    name: Annotated[Name, Key(2)]
    suites: Annotated[Annotated[tuple[U8, ...], Meta(min_length=1, max_length=8)], Key(4)]
    founder_suite: Annotated[U8, Key(6)]
    founder_key: Annotated[Annotated[bytes, Meta(max_length=PUBLIC_KEY_MAX_SIZE)], Key(8)]
    validators: Annotated[Annotated[tuple[Hash, ...], Meta(min_length=1, max_length=13)], Key(10)]
    limits: Annotated[Limits, Key(12)]
    created_at: Annotated[U63, Key(14)]
    nonce: Annotated[Bytes16, Key(16)]

    @property
    def founder(self) -> PublicIdentity:
        """The founder, who is the first validator."""
        return PublicIdentity(self.founder_suite, self.founder_key)


def create(
    identity: Identity,
    name: str,
    *,
    now: int,
    suites: tuple[int, ...] = (1,),
    max_members: int = DEFAULT_MAX_MEMBERS,
    max_model_bytes: int = DEFAULT_MAX_MODEL_BYTES,
    nonce: bytes | None = None,
) -> bytes:
    """Found a federation: its signed genesis document.

    `now` is in seconds since 1970. GenesisError if the name, suites or limits are not allowed.
    """
    body = Genesis(
        format=FORMAT,
        name=name,
        suites=suites,
        founder_suite=identity.suite_id,
        founder_key=identity.public_key,
        validators=(bytes(identity.node_id),),
        limits=Limits(max_members=max_members, max_model_bytes=max_model_bytes),
        created_at=now,
        nonce=secrets.token_bytes(16) if nonce is None else nonce,
    )
    _check(body)
    try:
        return seal(identity, Kind.GENESIS, body)
    except CryptoError as error:
        raise GenesisError(f"a federation cannot be founded like this: {error}") from error


def parse(data: bytes | memoryview) -> Genesis:
    """Read and verify a genesis document; GenesisError names what is wrong with it."""
    try:
        envelope = Signed.parse(data, Kind.GENESIS)
        body = Genesis.from_bytes(envelope.body, max_bytes=BODY_MAX_BYTES)
        _check(body)
        envelope.verify(body.founder)
    except UnsupportedSuiteError as error:
        raise GenesisError(
            f"the genesis document cannot be checked here: {error.message}", hint=error.hint
        ) from error
    except CryptoError as error:
        raise GenesisError(f"not a valid genesis document: {error}") from error
    return body


def federation_id(data: bytes | memoryview) -> bytes:
    """The 32-byte ID of the federation that a valid genesis document founds."""
    return statement_id(data)


def _check(body: Genesis) -> None:
    if body.format != FORMAT:
        raise GenesisError(
            f"genesis format {body.format} is not known", hint="install a newer version of qrfld"
        )
    if flaw := name_flaw(body.name):
        raise GenesisError(f"not a federation's name: {flaw}")
    if len(set(body.suites)) != len(body.suites):
        raise GenesisError(f"a suite is named twice in {list(body.suites)}")
    if not any(map(known, body.suites)):
        raise GenesisError(
            f"none of the federation's suites {list(body.suites)} is known here",
            hint="install a newer version of qrfld, or the plugin of a private suite",
        )
    if body.founder_suite not in body.suites:
        raise GenesisError(f"the founder's suite {body.founder_suite} is not among the suites")
    if body.validators != (body.founder.node_id,):
        raise GenesisError("the founder must be the one validator")
