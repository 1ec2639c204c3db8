"""Federation, members and tokens in the database."""

from __future__ import annotations

import hmac
import sqlite3
from collections.abc import Callable
from typing import Any

from qrfld.store.engine import Engine
from qrfld.store.errors import (
    TokenExpiredError,
    TokenSecretError,
    TokenUnknownError,
    TokenUsedError,
)
from qrfld.store.rows import MemberRow, Redemption, TokenRow

_MEMBER = "SELECT node_id, certificate, addresses, address_sequence, added_at FROM members"


class Membership(Engine):
    """Who we are, who is admitted, and who may still come."""

    async def get_meta(self, key: str) -> bytes | None:
        """Return the value stored under ``key``, or None."""

        def work(db: sqlite3.Connection) -> bytes | None:
            row = db.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
            return row[0] if row else None

        return await self.transaction(work)

    async def set_meta(self, key: str, value: bytes) -> None:
        """Store ``value`` under ``key``, replacing what was there."""
        await self.transaction(
            lambda db: db.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (key, value))
        )

    async def add_member(self, node_id: bytes, certificate: bytes, now: float) -> bool:
        """Remember an admitted node. Returns False when it is known already; nothing changes."""

        def work(db: sqlite3.Connection) -> bool:
            cursor = db.execute(
                "INSERT OR IGNORE INTO members (node_id, certificate, added_at) VALUES (?, ?, ?)",
                (node_id, certificate, now),
            )
            return cursor.rowcount == 1

        return await self.transaction(work)

    async def members(self) -> list[MemberRow]:
        """Return all members, by node ID."""
        return await self.transaction(
            lambda db: [_member(row) for row in db.execute(f"{_MEMBER} ORDER BY node_id")]
        )

    async def member(self, node_id: bytes) -> MemberRow | None:
        """Return one member, or None."""

        def work(db: sqlite3.Connection) -> MemberRow | None:
            row = db.execute(f"{_MEMBER} WHERE node_id = ?", (node_id,)).fetchone()
            return _member(row) if row else None

        return await self.transaction(work)

    async def update_addresses(self, node_id: bytes, addresses: bytes, sequence: int) -> bool:
        """Keep a member's signed address record if its sequence (u64) is newer than ours.

        Returns whether it was; False also for a node that is no member.
        """
        newer = sequence.to_bytes(8, "big")

        def work(db: sqlite3.Connection) -> bool:
            cursor = db.execute(
                "UPDATE members SET addresses = ?, address_sequence = ? WHERE node_id = ?"
                " AND (address_sequence IS NULL OR address_sequence < ?)",
                (addresses, newer, node_id, newer),
            )
            return cursor.rowcount == 1

        return await self.transaction(work)

    async def create_token(
        self, token_id: bytes, secret_hash: bytes, expires_at: float, now: float
    ) -> None:
        """Remember a token by the hash of its secret."""
        await self.transaction(
            lambda db: db.execute(
                "INSERT INTO tokens (token_id, secret_hash, expires_at, created_at)"
                " VALUES (?, ?, ?, ?)",
                (token_id, secret_hash, expires_at, now),
            )
        )

    async def tokens(self) -> list[TokenRow]:
        """Return all tokens, newest first."""
        query = (
            "SELECT token_id, expires_at, created_at, redeemed_by FROM tokens"
            " ORDER BY created_at DESC, rowid DESC"
        )
        return await self.transaction(lambda db: [TokenRow(*row) for row in db.execute(query)])

    async def redeem_token(
        self,
        token_id: bytes,
        secret_hash: bytes,
        node_id: bytes,
        issue: Callable[[], bytes],
        now: float,
    ) -> Redemption:
        """Admit ``node_id`` for a token, once.

        ``issue`` returns the signed certificate. It is called on the database's thread, only after
        every check has passed, so that a stranger cannot make us sign. Certificate, token and
        member are stored in one transaction: of racing nodes exactly one is admitted, and a node
        whose answer was lost gets the same certificate when it asks again, even after expiry.

        Raises ``TokenUnknownError``, ``TokenSecretError``, ``TokenUsedError``,
        ``TokenExpiredError``, or what ``issue`` raises; the token then stays as it was.
        """

        def work(db: sqlite3.Connection) -> Redemption:
            row = db.execute(
                "SELECT secret_hash, expires_at, redeemed_by, certificate FROM tokens"
                " WHERE token_id = ?",
                (token_id,),
            ).fetchone()
            redeemed = _check_token(row, secret_hash, node_id, now)
            if redeemed is not None:
                return Redemption(redeemed, first=False)
            certificate = issue()
            db.execute(
                "UPDATE tokens SET redeemed_by = ?, certificate = ? WHERE token_id = ?",
                (node_id, certificate, token_id),
            )
            # A member that comes with a second token gets, and is known by, its new certificate.
            db.execute(
                "INSERT INTO members (node_id, certificate, added_at) VALUES (?, ?, ?)"
                " ON CONFLICT DO UPDATE SET certificate = excluded.certificate",
                (node_id, certificate, now),
            )
            return Redemption(certificate, first=True)

        return await self.transaction(work)


def _check_token(row: Any, secret_hash: bytes, node_id: bytes, now: float) -> bytes | None:
    """Return the certificate of an earlier redemption by this node, None if there was none."""
    if row is None:
        raise TokenUnknownError("this node made no such token", hint="ask for a new token")
    expected, expires_at, redeemed_by, certificate = row
    if not hmac.compare_digest(expected, secret_hash):
        raise TokenSecretError("the token's secret is wrong", hint="copy the whole token again")
    if redeemed_by is not None:
        if hmac.compare_digest(redeemed_by, bytes(node_id)):
            return bytes(certificate)
        raise TokenUsedError("the token has been redeemed", hint="ask for a new token")
    if now >= expires_at:
        late = now - expires_at
        raise TokenExpiredError(f"the token expired {late:.0f} s ago", hint="ask for a new token")
    return None


def _member(row: Any) -> MemberRow:
    node_id, certificate, addresses, sequence, added_at = row
    number = int.from_bytes(sequence or b"", "big")
    return MemberRow(node_id, certificate, addresses, number, added_at)
