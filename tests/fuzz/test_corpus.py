"""Every target of the fuzzer over its committed corpus, in plain Python: no atheris is needed."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from fuzz.distil import MAX_CORPUS_BYTES
from fuzz.targets import CORPUS, load, names

ROOT = Path(__file__).resolve().parents[2]

targets = pytest.mark.parametrize("name", names())


@targets
def test_corpus_of_a_target_keeps_its_invariant(name: str) -> None:
    target = load(name)
    files = sorted(target.corpus.iterdir())
    assert files
    for file in files:
        try:
            target.check(file.read_bytes())
        except Exception as error:
            error.add_note(f"python -m fuzz.replay {name} {file.relative_to(ROOT)}")
            raise


@targets
def test_seeds_of_a_target_keep_its_invariant(name: str) -> None:
    target = load(name)
    for seed in target.seeds():
        assert len(seed) <= target.max_len
        target.check(seed)


@targets
def test_target_meets_nothing_and_little_keeps_its_invariant(name: str) -> None:
    check = load(name).check
    for data in (b"", b"\0", b"\1", b"\xff", bytes(40), bytes(range(256))):
        check(data)


@targets
def test_target_states_one_invariant(name: str) -> None:
    target = load(name)
    assert target.invariant.startswith("Invariant: ")
    source = (ROOT / "fuzz" / "targets" / f"{name}.py").read_text()
    assert source.count("Invariant:") == 1


def test_corpus_is_small_and_belongs_to_targets() -> None:
    assert sorted(path.name for path in CORPUS.iterdir()) == names()
    assert sum(path.stat().st_size for path in CORPUS.rglob("*")) <= MAX_CORPUS_BYTES


def test_only_the_engine_needs_atheris() -> None:
    code = (
        "import sys, fuzz.__main__, fuzz.distil, fuzz.replay; from fuzz.targets import load, names;"
        "[load(name) for name in names()]; print('atheris' in sys.modules)"
    )
    run = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert run.stdout.strip() == "False"


def test_every_target_is_documented() -> None:
    listed = re.findall(r"^\| `(\w+)` \|", (ROOT / "docs" / "fuzzing.md").read_text(), re.MULTILINE)
    assert sorted(listed) == names()
