from __future__ import annotations

from pathlib import Path

import pytest
from command_line import CommandLine

pytest.importorskip("sklearn")

SMALL = ("lab", "run", "--honest", "3", "--hostile", "1", "--rounds", "1", "--seeds", "1")


def test_grid_is_printed_as_a_table_or_an_object(qrfl: CommandLine, tmp_path: Path) -> None:
    words = (*SMALL, "--model", "softmax", "--rules", "mean, median", "--attacks", "none,ipm")
    out = ("--out", str(tmp_path / "lab.jsonl"))
    done = qrfl(*words, *out)
    assert done.code == 0
    assert "| median | 1 | 0.5 | ipm |" in done.out
    assert "4/4  median  ipm" in done.err
    again = qrfl(*words, *out, "--json")
    assert len(again.json["cells"]) == 4
    assert len(again.json["worst"]) == 2
    assert len((tmp_path / "lab.jsonl").read_text().splitlines()) == 4


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--attacks", "nothing"), "unknown attack 'nothing'"),
        (("--rules", "trimed-mean"), "unknown aggregation rule"),
        (("--alpha", "many"), "--alpha is 'many'"),
        (("--hostile", "-1"), "--hostile is '-1'"),
        (("--model", "cnn"), "unknown model 'cnn'"),
        (("--out", "absent/lab.jsonl"), "cannot be written"),
    ],
)
def test_grid_that_cannot_be_is_a_clear_error(
    qrfl: CommandLine, tmp_path: Path, words: tuple[str, str], message: str
) -> None:
    out = ("--out", str(tmp_path / "lab.jsonl"))
    done = qrfl(*SMALL, *out, *words)
    assert done.code in (1, 2)
    assert message in done.err
    assert not (tmp_path / "lab.jsonl").exists()
