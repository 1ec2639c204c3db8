"""The database as the daemon sees it: every table's methods on one object.

    database = await Database.open(paths.database)
    await database.members()
    database.close()

Ids are bytes; times are Unix seconds, given by the caller as ``now``.
"""

from __future__ import annotations

from qrfld.store.membership import Membership
from qrfld.store.runs import Runs


class Database(Membership, Runs):
    """One node's database."""
