from __future__ import annotations

from qrfld.aggregation import rules
from qrfld.bench import aggregate


def test_every_rule_is_timed_beside_numpy() -> None:
    result = aggregate.measure(columns=100, rows=[5])
    names = {*(rule.name for rule in rules()), *aggregate.COMPOSED, "suspects"}
    names |= {"numpy median", "numpy sort and mean"}
    reads = result.data["reads"]
    assert isinstance(reads, dict)
    assert reads.keys() == names
    assert all(found["5"] > 0 for found in reads.values())
    assert all(name in result.as_text() for name in names)
