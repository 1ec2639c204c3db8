"""One target under atheris: ``python -m fuzz.engine TARGET FINDINGS [OPTIONS] CORPUS…``.

OPTIONS are libFuzzer's. A finding does not end the run: its input and traceback are written to
FINDINGS, once for each type of exception and place in the code, and fuzzing goes on. What no Python
exception is (a crash of a library, too much memory, an input that takes too long) ends it, and
libFuzzer writes the input itself.
"""

from __future__ import annotations

import sys
from pathlib import Path

import atheris

from fuzz.findings import Findings
from fuzz.targets import load


def main(arguments: list[str]) -> None:
    """Fuzz until libFuzzer's limits; does not return."""
    name, directory, *options = arguments
    # Only the code under test: edges of the targets themselves would draw the fuzzer to them.
    with atheris.instrument_imports(include=["qrfld", "tomllib"]):
        target = load(name)
    findings = Findings(Path(directory))

    def one(data: bytes) -> None:
        try:
            target.check(data)
        except Exception as error:
            findings.keep(data, error)

    atheris.Setup([name, *options], one)
    atheris.Fuzz()


if __name__ == "__main__":
    main(sys.argv[1:])
