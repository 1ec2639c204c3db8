from __future__ import annotations

import os
import resource
from collections.abc import Callable
from pathlib import Path

import pytest

from qrfld.crypto import encoding, keystore
from qrfld.crypto.errors import IdentityError, KeystoreError
from qrfld.crypto.identity import Identity
from qrfld.crypto.unlock import KeyFile, Passphrase

UNLOCK = KeyFile(b"k" * 32)
MAGIC = b"QRFLDKEY"


@pytest.fixture
def path(tmp_path: Path, founder: Identity) -> Path:
    """A keystore under `UNLOCK`."""
    path = tmp_path / "identity.key"
    keystore.save(path, founder, UNLOCK)
    return path


def rewrite(path: Path, change: Callable[[dict[int, object]], object]) -> None:
    """Change the header map in place, as whoever can write the file could."""
    file = encoding.unpack(path.read_bytes()[len(MAGIC) :], max_bytes=4096)
    assert isinstance(file, dict)
    header = encoding.unpack(file[2], max_bytes=4096)
    assert isinstance(header, dict)
    change(header)
    file[2] = encoding.pack(dict(sorted(header.items())))
    path.write_bytes(MAGIC + encoding.pack(file))


@pytest.mark.parametrize("suite_id", [1, 2])
@pytest.mark.parametrize("unlock", [UNLOCK, Passphrase("correct horse")])
def test_saved_identity_loads_again(
    tmp_path: Path, suite_id: int, unlock: KeyFile | Passphrase
) -> None:
    identity = Identity.generate(suite_id)
    keystore.save(tmp_path / "identity.key", identity, unlock)
    loaded = keystore.load(tmp_path / "identity.key", unlock)
    assert loaded == identity
    assert loaded.seed == identity.seed
    assert [entry.name for entry in tmp_path.iterdir()] == ["identity.key"]


def test_keystore_holds_neither_seed_nor_key(path: Path, founder: Identity) -> None:
    data = path.read_bytes()
    assert founder.seed[:8] not in data
    assert UNLOCK.key[:8] not in data


def test_two_saves_share_no_salt(tmp_path: Path, founder: Identity) -> None:
    for name in ("one", "two"):
        keystore.save(tmp_path / name, founder, UNLOCK)
    assert (tmp_path / "one").read_bytes()[-48:] != (tmp_path / "two").read_bytes()[-48:]


def test_wrong_unlock_is_refused_without_showing_it(tmp_path: Path, founder: Identity) -> None:
    path = tmp_path / "identity.key"
    keystore.save(path, founder, Passphrase("correct horse"))
    with pytest.raises(KeystoreError, match="passphrase is wrong") as caught:
        keystore.load(path, Passphrase("battery staple"))
    assert "battery" not in str(caught.value)
    assert caught.value.exit_code == IdentityError.exit_code == 5
    with pytest.raises(KeystoreError, match="opens with a passphrase"):
        keystore.load(path, UNLOCK)


def test_wrong_key_file_is_refused(path: Path) -> None:
    with pytest.raises(KeystoreError, match="key file is wrong"):
        keystore.load(path, KeyFile(b"K" * 32))
    with pytest.raises(KeystoreError, match="opens with a key file"):
        keystore.load(path, Passphrase("k"))


def test_truncated_anywhere_is_refused(path: Path) -> None:
    data = path.read_bytes()
    for size in range(len(data)):
        path.write_bytes(data[:size])
        with pytest.raises(KeystoreError):
            keystore.load(path, UNLOCK)


def test_any_bit_flipped_is_refused(path: Path) -> None:
    data = bytearray(path.read_bytes())
    for position in range(len(data)):
        for bit in range(8):
            data[position] ^= 1 << bit
            path.write_bytes(data)
            with pytest.raises(KeystoreError):
                keystore.load(path, UNLOCK)
            data[position] ^= 1 << bit


@pytest.mark.parametrize("junk", [b"", b"\0", b"QRFLDKEY", b"{}", bytes(500), b"\xff" * 100_000])
def test_other_content_is_refused(path: Path, junk: bytes) -> None:
    path.write_bytes(junk)
    with pytest.raises(KeystoreError):
        keystore.load(path, UNLOCK)


def test_trailing_bytes_are_refused(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b"\0")
    with pytest.raises(KeystoreError, match="damaged"):
        keystore.load(path, UNLOCK)


def test_wide_mode_is_refused(path: Path) -> None:
    path.chmod(0o640)
    with pytest.raises(KeystoreError, match="chmod 600"):
        keystore.load(path, UNLOCK)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_foreign_owner_is_refused(path: Path) -> None:
    os.chown(path, 12345, -1)
    with pytest.raises(KeystoreError, match="belongs to user 12345"):
        keystore.load(path, UNLOCK)


def test_existing_keystore_is_never_overwritten(path: Path, alice: Identity) -> None:
    before = path.read_bytes()
    with pytest.raises(KeystoreError, match="never overwrites"):
        keystore.save(path, alice, UNLOCK)
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    "cost",
    [
        {0: 1 << 40, 2: 3, 4: 4},
        {0: (256 << 10) + 1, 2: 3, 4: 4},
        {0: 8, 2: 3, 4: 4},
        {0: 0, 2: 3, 4: 4},
        {0: 65536, 2: 0, 4: 4},
        {0: 65536, 2: 1 << 31, 4: 4},
        {0: 65536, 2: 3, 4: 0},
        {0: 65536, 2: 3, 4: 1 << 20},
        {0: -1, 2: -1, 4: -1},
        {0: 65536.0, 2: 3, 4: 4},
        {},
        None,
    ],
)
def test_absurd_cost_is_refused_before_it_is_paid(
    tmp_path: Path, founder: Identity, cost: object
) -> None:
    path = tmp_path / "identity.key"
    keystore.save(path, founder, Passphrase("p"))
    rewrite(path, lambda header: header.update({12: cost}))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(KeystoreError, match="damaged"):
        keystore.load(path, Passphrase("p"))
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 32 << 10


def test_missing_cost_is_refused(tmp_path: Path, founder: Identity) -> None:
    path = tmp_path / "identity.key"
    keystore.save(path, founder, Passphrase("p"))
    rewrite(path, lambda header: header.pop(12))
    with pytest.raises(KeystoreError, match="opens with a key file"):
        keystore.load(path, Passphrase("p"))


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({0: 2}, "format 2"),
        ({2: 2}, "does not open"),
        ({2: 9}, "does not open"),
        ({4: bytes(32)}, "does not open"),
        ({6: 2}, "opens with a passphrase"),
        ({6: 0}, "opens with a passphrase"),
        ({8: bytes(16)}, "does not open"),
        ({8: bytes(15)}, "damaged"),
        ({10: bytes(12)}, "does not open"),
        ({14: 1}, "damaged"),
        ({15: 1}, "does not open"),
    ],
)
def test_changed_header_is_refused(path: Path, change: dict[int, object], why: str) -> None:
    rewrite(path, lambda header: header.update(change))
    with pytest.raises(KeystoreError, match=why):
        keystore.load(path, UNLOCK)


def test_sealed_under_a_false_name_is_refused(
    tmp_path: Path, founder: Identity, alice: Identity, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Whoever has the key file can seal any seed; the name in the header must still be its own.
    path = tmp_path / "identity.key"
    monkeypatch.setattr(Identity, "seed", alice.seed)
    keystore.save(path, founder, UNLOCK)
    with pytest.raises(KeystoreError, match="another identity"):
        keystore.load(path, UNLOCK)


def test_unknown_suite_inside_an_authentic_file_is_refused(
    tmp_path: Path, founder: Identity, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "identity.key"
    object.__setattr__(copy := Identity.from_seed(1, founder.seed), "suite_id", 9)
    keystore.save(path, copy, UNLOCK)
    with pytest.raises(KeystoreError, match="cannot be used: unknown cryptographic suite 9"):
        keystore.load(path, UNLOCK)


def test_too_little_memory_is_one_clear_line(
    tmp_path: Path, founder: Identity, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Starved:
        def __init__(self, **cost: object) -> None: ...

        def derive(self, secret: bytes) -> bytes:
            raise MemoryError

    monkeypatch.setattr(keystore, "Argon2id", Starved)
    with pytest.raises(KeystoreError, match="65536 KiB are needed"):
        keystore.save(tmp_path / "identity.key", founder, Passphrase("p"))
    assert list(tmp_path.iterdir()) == []
