"""What can go wrong with a node's state.

StoreError                      1
├── DatabaseError                   the database cannot be used
│   ├── DatabaseMissingError        there is none
│   ├── DatabaseCorruptError        the file is damaged, or not a database of ours
│   ├── DatabaseNewerError          a later version wrote it
│   └── DatabaseLockedError         another program holds it
├── StoreClosedError                it has been closed
├── DiskFullError                   no room left; nothing is half-written
├── RecordConflictError             a second, different record for one round
├── RecordGapError                  a record whose predecessor is not here
├── UpdateConflictError             a second, different update of one node for one round
└── BlobError
    ├── BlobMissingError            no such blob
    └── BlobMismatchError           the bytes are not those that the name promises
AlreadyRunningError             1   another daemon works in this directory
RedemptionError                 5   a token is not honoured
├── TokenUnknownError, TokenSecretError, TokenExpiredError, TokenUsedError
"""

from __future__ import annotations

from qrfld.errors import IdentityError, QrfldError


class StoreError(QrfldError):
    """The node's state cannot be read or written."""


class DatabaseError(StoreError):
    """The database cannot be used."""


class DatabaseMissingError(DatabaseError):
    """There is no database."""


class DatabaseCorruptError(DatabaseError):
    """The file is damaged, or not a database of ours."""


class DatabaseNewerError(DatabaseError):
    """A later version of qrfld wrote the file."""


class DatabaseLockedError(DatabaseError):
    """Another program holds the database."""


class StoreClosedError(StoreError):
    """The store has been closed."""


class DiskFullError(StoreError):
    """No room is left on the disk; nothing has been half-written."""


class RecordConflictError(StoreError):
    """A second, different record for a round that has one."""


class RecordGapError(StoreError):
    """A record whose predecessor is not here."""


class UpdateConflictError(StoreError):
    """A second, different update of one node for one round."""


class BlobError(StoreError):
    """A blob cannot be stored or read."""


class BlobMissingError(BlobError):
    """There is no such blob."""


class BlobMismatchError(BlobError):
    """The bytes are not those that the name and size promise."""


class AlreadyRunningError(QrfldError):
    """Another daemon works in this directory."""


class RedemptionError(IdentityError):
    """A token is not honoured."""


class TokenUnknownError(RedemptionError):
    """No such token was created here."""


class TokenSecretError(RedemptionError):
    """The secret is not the token's."""


class TokenExpiredError(RedemptionError):
    """The token's time is over."""


class TokenUsedError(RedemptionError):
    """Another node has redeemed the token."""
