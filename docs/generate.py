"""Rewrite the tables in the documentation that come from the code.

``python docs/generate.py`` writes them; ``--check`` changes nothing and fails if one is out of
date. A table stands between ``<!-- begin NAME -->`` and ``<!-- end NAME -->``.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from qrfld.aggregation import pre_aggregations, rules
from qrfld.config.schema import Config, expectation, sections, types

DOCS = Path(__file__).resolve().parent


def settings() -> str:
    """One table a section: key, default, meaning, environment variable."""
    parts = []
    defaults = Config()
    for section, struct in sections().items():
        if struct is None:
            continue  # [tasks] has free keys; the page explains it in words
        lines = [f"### [{section}]", "", f"{struct.__doc__}", ""]
        lines += ["| key | default | meaning | environment |", "|---|---|---|---|"]
        for key, kind in types(struct).items():
            value = getattr(getattr(defaults, section), key)
            shown = "unset" if value is None else f"`{json.dumps(value)}`"
            variable = f"`QRFLD_{section.upper()}_{key.upper()}`"
            lines.append(f"| `{key}` | {shown} | {expectation(kind)} | {variable} |")
        parts.append("\n".join(lines))
    return "\n\n".join(parts)


def aggregation_rules() -> str:
    """The rules of this version and what each withstands."""
    lines = [
        "| rule | withstands f of n | weights | cost per column | source |",
        "|---|---|---|---|---|",
    ]
    lines += [
        f"| `{rule.name}` | {rule.bound} | {'yes' if rule.weighted else 'no'} "
        f"| {rule.cost} | {rule.source} |"
        for rule in rules()
    ]
    return "\n".join(lines)


def aggregation_stages() -> str:
    """The pre-aggregations of this version."""
    lines = ["| name | what it does to the rows | parameters | source |", "|---|---|---|---|"]
    for stage in pre_aggregations():
        parameters = ", ".join(f"`{name}`" for name in stage.parameters) or "none"
        lines.append(f"| `{stage.name}` | {stage.what} | {parameters} | {stage.source} |")
    return "\n".join(lines)


TABLES = {
    "configuration.md": {"settings": settings},
    "runs.md": {"rules": aggregation_rules, "stages": aggregation_stages},
}


def rewritten(page: Path) -> str:
    """The page's text with every table as the code has it now."""
    text = page.read_text(encoding="utf-8")
    for name, make in TABLES[page.name].items():
        begin, end = f"<!-- begin {name} -->\n", f"<!-- end {name} -->\n"
        head, opened, rest = text.partition(begin)
        _, closed, tail = rest.partition(end)
        if not opened or not closed:
            raise SystemExit(f"{page}: there is no table called {name}")
        text = f"{head}{begin}{make()}\n{end}{tail}"
    return text


def main() -> int:
    """Write or check every page; returns the exit code."""
    check = "--check" in sys.argv[1:]
    stale = [page for name in TABLES if rewritten(page := DOCS / name) != page.read_text("utf-8")]
    for page in stale:
        print(f"{page.name}: {'out of date; run: make docs' if check else 'rewritten'}")
        if not check:
            page.write_text(rewritten(page), encoding="utf-8")
    return 1 if check and stale else 0


if __name__ == "__main__":
    sys.exit(main())
