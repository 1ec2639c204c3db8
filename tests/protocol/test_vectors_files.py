"""spec/vectors itself: made by its generator, complete, and in the words of section 20."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from making import AREAS
from vector_files import DIRECTORY, all_vectors

from qrfld.protocol.errors import ErrorCode

SPEC = (DIRECTORY.parent / "PROTOCOL.md").read_text(encoding="utf-8")
ACCEPTED = {"ok", "ignored"}


def outcomes() -> set[str]:
    """The names in the first column of the table of outcomes."""
    _, _, text = SPEC.partition("\n### 20.3 Outcomes\n")
    text = text.partition("\n### ")[0]
    return {name for row in re.findall(r"^\|([^|]+)\|", text, re.MULTILINE)
            for name in re.findall(r"`([\w-]+)`", row)} - {"expect"}  # fmt: skip


def test_generator_runs_again_would_change_no_file() -> None:
    # In a process that is not measured: coverage makes pure Python ML-DSA three times slower.
    unmeasured = {name: v for name, v in os.environ.items() if not name.startswith("COV")}
    command = [sys.executable, DIRECTORY / "generate.py", "--check"]
    check = subprocess.run(command, capture_output=True, text=True, env=unmeasured)
    assert check.returncode == 0, check.stdout + check.stderr


def test_generator_reads_the_text_only_imports_nothing_of_ours() -> None:
    imported = set()
    for path in DIRECTORY.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                imported |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                imported.add((node.module or "").partition(".")[0])
    assert "dilithium_py" in imported
    assert "qrfld" not in imported


@pytest.mark.parametrize("area", AREAS)
def test_area_is_described_has_what_is_accepted_and_what_is_refused(area: str) -> None:
    expected = {v["expect"] for p, v in all_vectors().items() if p.startswith(f"{area}/")}
    assert expected & ACCEPTED
    assert expected - ACCEPTED or area == "handshake"  # what is refused: handshake-steps
    assert f"`{area}/`" in SPEC.partition("\n### 20.4 Areas\n")[2]


def test_every_broken_rule_of_section_10_3_has_a_vector() -> None:
    expected = {vector["expect"] for vector in all_vectors().values()}
    broken = {code.name.lower().replace("_", "-") for code in ErrorCode if code >= 16}
    assert broken <= expected


def test_every_outcome_of_section_20_3_has_a_vector() -> None:
    assert {vector["expect"] for vector in all_vectors().values()} == outcomes()


def test_every_vector_says_what_it_shows_in_known_words() -> None:
    headings = set(re.findall(r"^#+ (\d+(?:\.\d+)?) ", SPEC, re.MULTILINE))
    for path, vector in all_vectors().items():
        assert vector["comment"].strip(), path
        assert vector["expect"] in outcomes(), path
        assert vector["section"] in headings, path


def test_every_message_frame_and_statement_of_the_text_has_a_vector() -> None:
    shown: dict[str, set[object]] = {}
    for path, vector in all_vectors().items():
        area = shown.setdefault(path.partition("/")[0], set())
        area.add(vector.get("name", vector.get("kind")))
    messages = set(re.findall(r"^### Message \d+: (\w+)$", SPEC, re.MULTILINE))
    frames = set(re.findall(r"^\| `0x\w\w` \| (\w+) \| [CB ]+ \|", SPEC, re.MULTILINE))
    kinds = {int(n) for n in re.findall(r"^### 13\.\d .+ \(kind (\d+)\)$", SPEC, re.MULTILINE)}
    assert messages <= shown["messages"]
    assert len(frames) == 10
    assert frames <= shown["frames"]
    assert kinds == shown["bodies"] == shown["statements"]


def test_at_least_150_vectors_are_refused() -> None:
    refused = [p for p, vector in all_vectors().items() if vector["expect"] not in ACCEPTED]
    assert len(refused) >= 150


def test_vectors_stay_small() -> None:
    sizes = [Path(DIRECTORY / f"{path}.json").stat().st_size for path in all_vectors()]
    assert max(sizes) < 100_000
    assert sum(sizes) < 4_000_000
