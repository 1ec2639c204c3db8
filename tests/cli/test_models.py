from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command_line import CommandLine
from fixture_daemon import FixtureDaemon, run_summary

from qrfld.protocol.tensors import blob_hash, encode

RUN_A, RUN_B = "aa" * 16, "ab" * 16
PART = 700


def blob(seed: int) -> bytes:
    weights = np.random.default_rng(seed).standard_normal((16, 16)).astype("f4")
    return b"".join(encode({"weights": weights}))


BLOBS = {blob_hash(data).hex(): data for data in map(blob, range(3))}
FIRST, SECOND, LAST = BLOBS


def entry(name: str, run: str, number: int) -> dict[str, Any]:
    return {"hash": name, "run": run, "round": number, "bytes": len(BLOBS[name]), "accuracy": 0.9}


@pytest.fixture
def models(daemon: FixtureDaemon) -> FixtureDaemon:
    daemon.answers["model.list"] = {
        "models": [entry(LAST, RUN_B, 1), entry(FIRST, RUN_A, 1), entry(SECOND, RUN_A, 2)]
    }
    daemon.answers["run.list"] = {
        "runs": [run_summary(run=RUN_B, started_at=20), run_summary(run=RUN_A, started_at=10)]
    }
    daemon.answers["model.read"] = lambda hash, offset: {
        "data": BLOBS[hash][offset : offset + PART],
        "size": len(BLOBS[hash]),
    }
    return daemon


def test_list_shows_whole_hashes(qrfl: CommandLine, models: FixtureDaemon) -> None:
    lines = qrfl("model", "list").out.splitlines()
    assert [line.split()[0] for line in lines[1:]] == [FIRST, SECOND, LAST]
    assert qrfl("model", "list", "--json").json["models"][2] == entry(LAST, RUN_B, 1)


@pytest.mark.parametrize(
    ("arguments", "chosen"),
    [
        ([], LAST),
        (["latest", "--run", RUN_A], SECOND),
        (["--run", "latest"], LAST),
        ([FIRST[:8]], FIRST),
        ([SECOND.upper()], SECOND),
    ],
)
def test_export_chooses_by_hash_or_run_and_reads_in_parts(
    qrfl: CommandLine, models: FixtureDaemon, tmp_path: Path, arguments: list[str], chosen: str
) -> None:
    target = tmp_path / "m.npz"
    done = qrfl("model", "export", *arguments, "-o", str(target), "--json")
    assert done.json["model"] == chosen
    assert done.json["bytes"] == target.stat().st_size
    with np.load(target) as loaded:
        assert loaded["weights"].tobytes() in BLOBS[chosen]


def test_export_takes_the_format_from_the_suffix_unless_told(
    qrfl: CommandLine, models: FixtureDaemon, tmp_path: Path
) -> None:
    by_suffix = qrfl("model", "export", "-o", str(tmp_path / "m.safetensors"), "--json")
    assert by_suffix.json["format"] == "safetensors"
    told = qrfl("model", "export", "-o", str(tmp_path / "m.bin"), "--format", "npz", "--json")
    assert told.json["format"] == "npz"
    unknown = qrfl("model", "export", "-o", str(tmp_path / "m.bin2"))
    assert unknown.code == 2
    assert "--format" in unknown.err


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["feed"], 1, "no model feed"),
        (["--run", "ffff"], 1, "of run ffff"),
        ([""], 2, "matches 3 models"),
    ],
)
def test_export_of_no_or_several_models_is_refused(
    qrfl: CommandLine,
    models: FixtureDaemon,
    tmp_path: Path,
    arguments: list[str],
    code: int,
    words: str,
) -> None:
    done = qrfl("model", "export", *arguments, "-o", str(tmp_path / "m.npz"))
    assert done.code == code
    assert words in done.err
    assert not (tmp_path / "m.npz").exists()


@pytest.mark.parametrize("lie", ["shorter", "other", "endless"])
def test_model_that_does_not_match_its_hash_is_not_written(
    qrfl: CommandLine, models: FixtureDaemon, tmp_path: Path, lie: str
) -> None:
    honest = BLOBS[LAST]
    answers = {
        "shorter": lambda hash, offset: {"data": honest[offset:-1], "size": len(honest)},
        "other": lambda hash, offset: {"data": BLOBS[FIRST][offset:], "size": len(honest)},
        "endless": lambda hash, offset: {"data": b"x" * 1000, "size": 2**40},
    }
    models.answers["model.read"] = answers[lie]
    done = qrfl("model", "export", "-o", str(tmp_path / "m.npz"), "--json")
    assert done.code == 1
    assert done.json["error"]["name"] == "model-damaged"
    assert list(tmp_path.glob("*.npz*")) == []


def test_existing_file_is_kept_unless_forced(
    qrfl: CommandLine, models: FixtureDaemon, tmp_path: Path
) -> None:
    target = tmp_path / "m.npz"
    target.write_bytes(b"mine")
    done = qrfl("model", "export", "-o", str(target))
    assert done.code == 1
    assert "--force" in done.err
    assert target.read_bytes() == b"mine"
    assert not models.asked  # found out before the daemon was troubled
    assert qrfl("model", "export", "-o", str(target), "--force").code == 0
