from __future__ import annotations

import itertools
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from qrfld.protocol.merkle import MerkleHasher
from qrfld.store.blobs import Blobs
from qrfld.store.errors import BlobMismatchError, BlobMissingError, DiskFullError, StoreError

DATA = bytes(range(256)) * 1024


def name(data: bytes) -> bytes:
    hasher = MerkleHasher()
    hasher.update(data)
    return hasher.digest()


def make(home: Path, spool_bytes: int = 1 << 30) -> Blobs:
    for part in ("blobs", "spool"):
        (home / part).mkdir(exist_ok=True)
    return Blobs(home / "blobs", home / "spool", spool_bytes)


def files(home: Path) -> list[str]:
    return sorted(str(f.relative_to(home)) for f in home.rglob("*") if f.is_file())


def test_bytes_put_are_there_under_their_hash(tmp_path: Path) -> None:
    blobs = make(tmp_path)
    blob = blobs.put_bytes(DATA)
    assert blob == name(DATA)
    assert blobs.has(blob)
    assert blobs.size(blob) == len(DATA)
    with blobs.open(blob) as file:
        assert file.read() == DATA
    assert files(tmp_path) == [f"blobs/{blob.hex()}"]
    assert blobs.path(blob).stat().st_mode & 0o777 == 0o600


def test_bytes_put_twice_are_one_blob(tmp_path: Path) -> None:
    blobs = make(tmp_path)
    assert blobs.put_bytes(DATA) == blobs.put_bytes(DATA)
    assert len(files(tmp_path)) == 1


def test_bytes_put_again_repair_a_damaged_blob(tmp_path: Path) -> None:
    blobs = make(tmp_path)
    blob = blobs.put_bytes(DATA)
    blobs.path(blob).write_bytes(b"rot")
    blobs.put_bytes(DATA)
    assert blobs.path(blob).read_bytes() == DATA


def test_file_put_moves_in_and_becomes_private(tmp_path: Path) -> None:
    blobs = make(tmp_path)
    source = tmp_path / "spool" / "trained"
    source.write_bytes(DATA)
    source.chmod(0o644)
    blob = blobs.put_file(source)
    assert blob == name(DATA)
    assert files(tmp_path) == [f"blobs/{blob.hex()}"]
    assert blobs.path(blob).stat().st_mode & 0o777 == 0o600


def test_file_put_that_is_missing_is_a_named_error(tmp_path: Path) -> None:
    with pytest.raises(StoreError):
        make(tmp_path).put_file(tmp_path / "spool" / "no")


def test_blob_removed_is_gone_and_may_be_removed_again(tmp_path: Path) -> None:
    blobs = make(tmp_path)
    blob = blobs.put_bytes(DATA)
    for _ in range(2):
        blobs.remove(blob)
    assert not blobs.has(blob)


def test_blob_missing_is_a_named_error(tmp_path: Path) -> None:
    blobs = make(tmp_path)
    for read in (blobs.size, blobs.open):
        with pytest.raises(BlobMissingError):
            read(b"x" * 32)


@pytest.mark.parametrize("blob", [b"", b"../../etc/passwd", b"x" * 31, b"x" * 33])
def test_name_that_is_no_hash_is_refused(tmp_path: Path, blob: bytes) -> None:
    blobs = make(tmp_path)
    for use in (blobs.path, blobs.has, blobs.size, blobs.open, blobs.remove):
        with pytest.raises(StoreError):
            use(blob)


@given(blob=st.binary(min_size=32, max_size=32))
@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_name_never_leaves_the_directory(tmp_path: Path, blob: bytes) -> None:
    blobs = make(tmp_path)
    for hostile in (blob, b"../" * 10 + b"..", b"/" * 32, b"\0" * 32):
        assert blobs.path(hostile).resolve().parent == (tmp_path / "blobs").resolve()


# Transfers


@given(cuts=st.lists(st.integers(0, len(DATA)), max_size=8))
@settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_writer_in_pieces_of_any_size_gives_the_blob(tmp_path: Path, cuts: list[int]) -> None:
    blobs = make(tmp_path)
    writer = blobs.writer(name(DATA), len(DATA))
    edges = [0, *sorted(cuts), len(DATA)]
    for start, end in itertools.pairwise(edges):
        writer.write(memoryview(DATA)[start:end])
    assert writer.commit().read_bytes() == DATA
    assert files(tmp_path) == [f"blobs/{name(DATA).hex()}"]


def test_writer_shows_nothing_before_commit(tmp_path: Path) -> None:
    blobs = make(tmp_path)
    writer = blobs.writer(name(DATA), len(DATA))
    writer.write(DATA)
    assert not blobs.has(name(DATA))
    writer.abort()
    assert files(tmp_path) == []


@pytest.mark.parametrize(
    "sent",
    [b"", DATA[:-1], DATA[:-1] + b"\x00", DATA[::-1]],
    ids=["nothing", "short", "last byte", "order"],
)
def test_writer_given_other_content_refuses_and_leaves_nothing(tmp_path: Path, sent: bytes) -> None:
    blobs = make(tmp_path)
    writer = blobs.writer(name(DATA), len(DATA))
    writer.write(sent)
    with pytest.raises(BlobMismatchError):
        writer.commit()
    assert files(tmp_path) == []
    assert blobs.put_bytes(DATA) == name(DATA)


def test_writer_given_too_much_refuses_at_once(tmp_path: Path) -> None:
    writer = make(tmp_path).writer(name(DATA), 10)
    writer.write(DATA[:10])
    with pytest.raises(BlobMismatchError, match="more than the 10 bytes"):
        writer.write(b"x")
    writer.abort()
    assert files(tmp_path) == []


def test_two_writers_of_one_blob_do_not_disturb_each_other(tmp_path: Path) -> None:
    blobs = make(tmp_path)
    honest = blobs.writer(name(DATA), len(DATA))
    liar = blobs.writer(name(DATA), len(DATA))
    liar.write(b"x" * len(DATA))
    honest.write(DATA)
    honest.commit()
    with pytest.raises(BlobMismatchError):
        liar.commit()
    assert blobs.path(name(DATA)).read_bytes() == DATA


def test_spool_allowance_used_up_refuses_and_is_given_back(tmp_path: Path) -> None:
    blobs = make(tmp_path, spool_bytes=100)
    first = blobs.writer(b"a" * 32, 60)
    with pytest.raises(DiskFullError, match="exceed the spool's 100"):
        blobs.writer(b"b" * 32, 41)
    first.abort()
    first.abort()
    second = blobs.writer(b"b" * 32, 100)
    with pytest.raises(BlobMismatchError):
        second.commit()
    blobs.writer(b"c" * 32, 100).abort()


# Crashes and full disks


CHILD = """
import os, resource, signal, sys
from pathlib import Path
from qrfld.errors import QrfldError
from qrfld.protocol.merkle import MerkleHasher
from qrfld.store.blobs import Blobs
home = Path(sys.argv[1])
blobs = Blobs(home / "blobs", home / "spool", 1 << 30)
data = bytes(range(256)) * 1024
hasher = MerkleHasher()
hasher.update(data)
"""


def child(home: Path, script: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", CHILD + script, str(home)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def test_crash_before_the_rename_leaves_nothing_after_the_next_start(tmp_path: Path) -> None:
    make(tmp_path)
    done = child(
        tmp_path,
        """
blobs.publish = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
writer = blobs.writer(hasher.digest(), len(data))
writer.write(data)
writer.commit()
""",
    )
    assert done.returncode == -signal.SIGKILL
    (leftover,) = files(tmp_path)
    assert leftover.startswith("spool/")
    assert not make(tmp_path).has(name(DATA))
    assert files(tmp_path) == []


@pytest.mark.parametrize(
    "script",
    [
        "blobs.put_bytes(data)",
        "w = blobs.writer(hasher.digest(), len(data)); w.write(data); w.commit()",
    ],
)
def test_file_that_cannot_grow_is_a_named_error_and_leaves_no_blob(
    tmp_path: Path, script: str
) -> None:
    make(tmp_path)
    done = child(
        tmp_path,
        f"""
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
try:
    {script}
except QrfldError as error:
    print(error.name)
""",
    )
    assert done.stdout == "disk-full\n", done.stderr
    assert not make(tmp_path).has(name(DATA))
    assert files(tmp_path) == []


def test_disk_full_is_named_and_leaves_nothing(small_disk: Path) -> None:
    blobs = make(small_disk)
    data = os.urandom(2 << 20)
    with pytest.raises(DiskFullError, match="No space"):
        blobs.put_bytes(data)
    assert files(small_disk) == []
    writer = blobs.writer(name(data), len(data))
    with pytest.raises(DiskFullError):
        write_and_commit(writer, data)
    writer.abort()
    assert files(small_disk) == []
    blobs.put_bytes(DATA)
    assert blobs.has(name(DATA))


def write_and_commit(writer: object, data: bytes) -> None:
    writer.write(data)  # type: ignore[attr-defined]
    writer.commit()  # type: ignore[attr-defined]


def test_leftovers_of_an_earlier_run_are_removed_and_blobs_kept(tmp_path: Path) -> None:
    blob = make(tmp_path).put_bytes(DATA)
    (tmp_path / "spool" / "0123.part").write_bytes(b"half")
    blobs = make(tmp_path)
    assert files(tmp_path) == [f"blobs/{blob.hex()}"]
    assert blobs.has(blob)


def test_foreign_file_beside_the_blobs_is_left_alone(tmp_path: Path) -> None:
    blobs = make(tmp_path)
    blob = blobs.put_bytes(b"ours")
    foreign = blobs.path(blob).with_name("lost+found")
    foreign.mkdir()
    assert blobs.names() == [blob]
    assert foreign.exists()
