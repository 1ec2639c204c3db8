"""``python -m fuzz.replay TARGET FILE…``: run inputs through a target, in plain Python."""

from __future__ import annotations

import sys
from pathlib import Path

from fuzz.targets import load


def main(arguments: list[str]) -> None:
    """Let the first input that breaks the invariant end with its traceback."""
    name, *files = arguments
    target = load(name)
    print(target.invariant)
    for file in files:
        target.check(Path(file).read_bytes())
        print(f"holds for {file}")


if __name__ == "__main__":
    main(sys.argv[1:])
