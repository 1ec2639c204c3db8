"""The table of a grid: for each rule, mean and worst accuracy per attack, and the worst of all."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from statistics import mean
from typing import Any

from qrfld.lab.grid import Line


def summary(lines: Sequence[Line]) -> list[dict[str, Any]]:
    """One map for each rule, number of attackers, alpha and attack: accuracy over the seeds.

    ``recall`` and ``false_alarms`` are the detector's rates; None where there is nothing to name.
    """
    groups: dict[tuple[Any, ...], list[Line]] = defaultdict(list)
    for line in lines:
        cell = line.cell
        groups[cell.rule, cell.hostile, cell.alpha, cell.attack].append(line)
    rows = []
    for (rule, hostile, alpha, attack), members in groups.items():
        accuracies = [line.outcome.accuracy for line in members]
        rows.append(
            {
                "rule": rule,
                "hostile": hostile,
                "alpha": alpha,
                "attack": attack,
                "seeds": len(members),
                "mean": mean(accuracies),
                "worst": min(accuracies),
                "recall": _rate(members, "hits", "chances") if attack != "none" else None,
                "false_alarms": _rate(members, "false_alarms", "clean"),
            }
        )
    return rows


def worst_cases(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """For each rule, number of attackers and alpha: the attack with the lowest mean accuracy."""
    groups: dict[tuple[Any, ...], list[dict[str, Any]]] = defaultdict(list)
    for row in rows:
        groups[row["hostile"], row["alpha"], row["rule"]].append(row)
    return [min(group, key=lambda row: row["mean"]) for _, group in sorted(groups.items())]


def markdown(rows: Sequence[dict[str, Any]]) -> str:
    """A table for people and documents, one line a row."""
    lines = [
        "| rule | f | alpha | attack | mean | worst seed | named | false alarms |",
        "|---|---|---|---|---|---|---|---|",
    ]
    lines += [
        f"| {row['rule']} | {row['hostile']} | {row['alpha']:g} | {row['attack']} "
        f"| {_percent(row['mean'])} | {_percent(row['worst'])} | {_percent(row['recall'])} "
        f"| {_percent(row['false_alarms'])} |"
        for row in rows
    ]
    return "\n".join(lines)


def _rate(lines: Sequence[Line], part: str, whole: str) -> float | None:
    total = sum(getattr(line.outcome, whole) for line in lines)
    return sum(getattr(line.outcome, part) for line in lines) / total if total else None


def _percent(share: float | None) -> str:
    return "" if share is None else f"{100 * share:.1f} %"
