from __future__ import annotations

from io import StringIO
from pathlib import Path

import pytest

from qrfld.cli.demo.federation import Federation, prepare
from qrfld.cli.demo.interrupts import Interrupts
from qrfld.cli.demo.lines import Lines
from qrfld.cli.demo.plan import Plan
from qrfld.cli.errors import DemoError


def test_prepare_makes_a_private_directory_and_takes_an_empty_one(tmp_path: Path) -> None:
    prepare(tmp_path / "a" / "b")
    assert (tmp_path / "a" / "b").stat().st_mode & 0o777 == 0o700
    prepare(tmp_path / "a" / "b")


def test_prepare_leaves_what_is_not_empty_alone(tmp_path: Path) -> None:
    (tmp_path / "mine").touch()
    with pytest.raises(DemoError, match="is not empty"):
        prepare(tmp_path)
    with pytest.raises(DemoError, match="cannot use"):
        prepare(tmp_path / "mine")


def test_federation_connects_and_stops_every_daemon_even_after_an_error(tmp_path: Path) -> None:
    said = StringIO()
    plan = Plan(2, 1, 0, "sign-flip", "median", 0.5, 7, tmp_path)
    with Interrupts() as interrupts:
        federation = Federation(plan, interrupts, Lines(said))

        def begin_and_fail() -> None:
            with federation:
                federation.start()
                federation.connect()
                statuses = [status for status in federation.statuses() if status is not None]
                assert [status["node"]["name"] for status in statuses] == plan.names
                raise RuntimeError("in the middle")

        with pytest.raises(RuntimeError, match="in the middle"):
            begin_and_fail()
    processes = [node.process for node in federation.nodes]
    assert all(process is not None and not process.alive for process in processes)
    assert federation.statuses() == [None] * 2
    assert "node-2: qrfl join with a token of node-1" in said.getvalue()
    assert "X25519+ML-KEM-768" in said.getvalue()
