"""What a user asks for, and the configuration it becomes."""

from __future__ import annotations

from typing import Any

import pytest
from run_sites import World
from run_statements import FEDERATION

from qrfld.aggregation.errors import RuleBoundError, RuleError
from qrfld.crypto.errors import EncodingError
from qrfld.errors import QrfldError
from qrfld.rounds.errors import RunRefusedError
from qrfld.rounds.ledger import Ledger
from qrfld.rounds.request import RunRequest, configure, tolerance
from qrfld.tasks import loader
from qrfld.tasks.errors import TaskNotFoundError


@pytest.mark.parametrize(
    ("rule", "members", "f", "quorum"),
    [
        ("mean", 1, 0, 1),
        ("mean", 5, 0, 3),
        ("median", 2, 0, 2),
        ("trimmed-mean", 3, 1, 3),
        ("trimmed-mean", 5, 1, 3),
        ("trimmed-mean", 10, 2, 6),
        ("multi-krum", 5, 1, 5),
        ("multi-krum", 9, 1, 5),
    ],
)
def test_tolerance_left_open_follows_rule_and_members(
    rule: str, members: int, f: int, quorum: int
) -> None:
    assert tolerance(RunRequest("Tiny", 1, rule), members) == (f, quorum)


async def test_configuration_says_what_was_asked_for(world: World) -> None:
    site, (puppet,) = await world.cast(1)
    spec = f"{world.task}:Tiny"
    request = RunRequest("Tiny", 7, "mean", seed=3, deadline_seconds=4.0, params={"b": 1, "a": "x"})
    config = Ledger.open(configure(site.node, request, spec), site.identity, FEDERATION).config
    assert (config.task, config.rounds, config.seed, config.deadline_seconds) == ("Tiny", 7, 3, 4.0)
    assert config.task_digest == loader.digest(spec)
    assert config.parameters == {"a": "x", "b": 1}
    assert config.members == (site.id, puppet.id)


async def test_two_runs_of_the_same_request_are_two(world: World) -> None:
    site, _ = await world.cast(0)
    request, spec = RunRequest("Tiny", 1, "mean"), f"{world.task}:Tiny"
    assert configure(site.node, request, spec) != configure(site.node, request, spec)


MANY = {f"p{number}": number for number in range(33)}
REFUSED: dict[str, tuple[dict[str, Any], type[QrfldError], str]] = {
    "no such rule": ({"rule": "medain"}, RuleError, "medain"),
    "f beyond the rule": ({"rule": "median", "f": 1}, RuleBoundError, "n = 2"),
    "quorum over the members": ({"quorum": 3}, RunRefusedError, "quorum of 3"),
    "quorum too small for f": ({"quorum": 0}, RunRefusedError, "quorum of 0"),
    "too many parameters": (
        {"params": {f"p{i}": i for i in range(33)}},
        EncodingError,
        "length <= 32",
    ),
    "no such task": ({"task": "digist"}, TaskNotFoundError, "digist"),
}


@pytest.mark.parametrize("what", REFUSED)
async def test_run_that_cannot_be_is_refused_and_not_remembered(world: World, what: str) -> None:
    options, kind, words = REFUSED[what]
    site = await world.site("c")
    world.puppet("p")
    given: dict[str, Any] = {"task": "Tiny", "rounds": 1, "rule": "mean", **options}
    with pytest.raises(kind, match=words):
        await site.runs.start_run(RunRequest(**given))
    assert await site.database.runs() == []
