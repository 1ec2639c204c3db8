"""Run ProVerif over the models beside this file and compare each result with the expected one.

    python spec/analysis/check.py [WORD ...]       only cases with one of the words in their name

A model is a `.pv` file; its head names the libraries that go before it. Above each query stands
what it must give, `(* expect true: name *)`: `true`, proved; `false`, an attack was found and
rebuilt; what ProVerif cannot decide is neither. `variants.toml` holds variants: lines of models
and libraries that are replaced by others, and the queries that then must find an attack or
still hold. Every query runs by itself, so that it has a result and a time of its own.
"""

from __future__ import annotations

import re
import resource
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
#: Seconds by the clock for a query: many times what it needs of a processor of its own.
LIMIT = 300

_LIBRARIES = re.compile(r"Librar(?:y|ies):\s+((?:\w+\.pvl\s+)+)\*\)")
_QUERY = re.compile(
    r"^\(\* expect (true|false): (.+?) \*\)\n((?:query|weaksecret) .*?\.\n)", re.M | re.S
)
_RESULT = re.compile(r"^RESULT (?!\().*?(?:is (true|false)|(cannot be proved))\.$", re.M)


@dataclass(frozen=True)
class Case:
    """One query of one model, perhaps with some lines replaced."""

    model: str
    query: str
    expected: str
    variant: str = ""
    patches: tuple[tuple[str, str], ...] = ()

    @property
    def name(self) -> str:
        """What pytest and the table call it."""
        return " / ".join(part for part in (self.model, self.variant, self.query) if part)


def queries(model: str) -> dict[str, str]:
    """Name and expected result of each query of a model."""
    text = (HERE / f"{model}.pv").read_text()
    return {name: expected for expected, name, _ in _QUERY.findall(text)}


def base_cases() -> list[Case]:
    """Every query of every model as it stands."""
    models = sorted(path.stem for path in HERE.glob("*.pv"))
    return [Case(m, name, expected) for m in models for name, expected in queries(m).items()]


def variant_cases() -> list[Case]:
    """Every query that `variants.toml` names."""
    return list(_variant_cases())


def _variant_cases() -> Iterator[Case]:
    for variant in tomllib.loads((HERE / "variants.toml").read_text())["variant"]:
        patches = tuple(zip(variant["was"], variant["is"], strict=True))
        for key, expected in (("attack", "false"), ("holds", "true")):
            for query in variant.get(key, ()):
                yield Case(variant["model"], query, expected, variant["name"], patches)


def sources(case: Case) -> dict[str, str]:
    """The libraries in order and last the model, with only the case's query, as they are run.

    Raises ValueError if the query does not exist or a line to replace does not stand exactly once.
    """
    model = (HERE / f"{case.model}.pv").read_text()
    if case.query not in queries(case.model):
        raise ValueError(f"{case.model}.pv has no query {case.query!r}")
    libraries = _LIBRARIES.search(model)
    names = libraries[1].split() if libraries else []
    only = _QUERY.sub(lambda match: match[3] if match[2] == case.query else "", model)
    texts = {name: (HERE / name).read_text() for name in names} | {f"{case.model}.pv": only}
    for was, now in case.patches:
        found = [name for name, text in texts.items() if was in text]
        if len(found) != 1 or texts[found[0]].count(was) != 1:
            raise ValueError(f"{case.name}: {was!r} does not stand exactly once")
        texts[found[0]] = texts[found[0]].replace(was, now)
    return texts


def run(case: Case, proverif: str) -> str:
    """`true`, `false`, `cannot be proved`, `no result` or `no end`, says ``proverif``."""
    with tempfile.TemporaryDirectory() as folder:
        paths = []
        for name, text in sources(case).items():
            paths.append(Path(folder) / name)
            paths[-1].write_text(text)
        command = [proverif, "-set", "color", "false", "-set", "verboseStatistics", "false"]
        for path in paths[:-1]:
            command += ["-lib", str(path)]
        try:
            done = subprocess.run(  # noqa: S603 - the caller's proverif, our files
                [*command, str(paths[-1])], capture_output=True, text=True, timeout=LIMIT
            )
        except subprocess.TimeoutExpired:
            return "no end"
    result = _RESULT.search(done.stdout)
    return (result[1] or result[2]) if result else "no result"


def main(words: list[str]) -> int:
    """Print time, result and name of each case; 1 if one is not as expected, 2 without ProVerif."""
    proverif = shutil.which("proverif")
    if proverif is None:
        sys.stderr.write("proverif is not on the PATH\n")
        return 2
    differ = 0
    for case in base_cases() + variant_cases():
        if words and not any(word in case.name for word in words):
            continue
        begin = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
        result = run(case, proverif)
        spent = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - begin
        differ += result != case.expected
        mark = "" if result == case.expected else f"  EXPECTED {case.expected}"
        sys.stdout.write(f"{spent:6.1f} s  {result:5}  {case.name}{mark}\n")
        sys.stdout.flush()
    return 1 if differ else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
