"""The tables, as numbered steps from nothing to today.

``PRAGMA user_version`` is the number of steps done. A step, once released, is never edited: the
next change is the next step. All missing steps run in one transaction, so a file is at one version
or at another, never between.

Ids and hashes are raw bytes. Numbers that a peer chooses up to 2^64 - 1 are stored as 8 big-endian
bytes (SQLite's integers are signed); blobs compare bytewise, so their order is the numbers' order.
Times are Unix seconds of this machine's clock, for people only.
"""

from __future__ import annotations

import sqlite3
from typing import Final

# "QRFL": tells our files from other programs' (PRAGMA application_id).
APPLICATION_ID: Final = 0x5152464C

MIGRATIONS: Final[tuple[str, ...]] = (
    """
    CREATE TABLE meta (
        key TEXT PRIMARY KEY,
        value BLOB NOT NULL
    ) STRICT, WITHOUT ROWID;

    CREATE TABLE members (
        node_id BLOB PRIMARY KEY,
        certificate BLOB NOT NULL,
        addresses BLOB,
        address_sequence BLOB,
        added_at REAL NOT NULL
    ) STRICT;

    CREATE TABLE tokens (
        token_id BLOB PRIMARY KEY,
        secret_hash BLOB NOT NULL,
        expires_at REAL NOT NULL,
        created_at REAL NOT NULL,
        redeemed_by BLOB,
        certificate BLOB,
        CHECK ((redeemed_by IS NULL) = (certificate IS NULL))
    ) STRICT;

    CREATE TABLE runs (
        run_id BLOB PRIMARY KEY,
        config BLOB NOT NULL,
        role TEXT NOT NULL CHECK (role IN ('coordinator', 'trainer')),
        state TEXT NOT NULL
            CHECK (state IN ('running', 'waiting', 'finished', 'stopped', 'failed')),
        reason TEXT NOT NULL,
        created_at REAL NOT NULL
    ) STRICT;

    CREATE TABLE rounds (
        run_id BLOB NOT NULL REFERENCES runs,
        round INTEGER NOT NULL,
        record BLOB NOT NULL,
        record_id BLOB NOT NULL,
        PRIMARY KEY (run_id, round)
    ) STRICT;

    CREATE TABLE open_rounds (
        run_id BLOB PRIMARY KEY REFERENCES runs,
        round INTEGER NOT NULL,
        base_model BLOB NOT NULL
    ) STRICT;

    CREATE TABLE updates (
        run_id BLOB NOT NULL REFERENCES runs,
        round INTEGER NOT NULL,
        node_id BLOB NOT NULL,
        statement BLOB NOT NULL,
        update_hash BLOB NOT NULL,
        received_at REAL NOT NULL,
        PRIMARY KEY (run_id, round, node_id)
    ) STRICT;

    CREATE TABLE own_updates (
        run_id BLOB NOT NULL REFERENCES runs,
        round INTEGER NOT NULL,
        base_model BLOB NOT NULL,
        statement BLOB NOT NULL,
        update_hash BLOB NOT NULL,
        PRIMARY KEY (run_id, round, base_model)
    ) STRICT;
    """,
)


def migrate(connection: sqlite3.Connection) -> None:
    """Bring an open database to the newest version, or leave it as it is."""
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version == len(MIGRATIONS):
        return
    # One script, because executescript() commits whatever is open before it starts.
    steps = "".join(MIGRATIONS[version:])
    script = f"""
        BEGIN IMMEDIATE;
        {steps}
        PRAGMA application_id = {APPLICATION_ID};
        PRAGMA user_version = {len(MIGRATIONS)};
        COMMIT;
    """
    try:
        connection.executescript(script)
    except BaseException:
        if connection.in_transaction:
            connection.rollback()
        raise
