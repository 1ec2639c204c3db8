"""Make every vector anew: ``python spec/vectors/generate.py``. Needs the extra ``dev``.

Files that no vector asks for any more go. ``--check`` changes nothing, lists the files that
would change, and fails if there is one. Takes about 15 seconds: ML-DSA in pure Python.
"""

from __future__ import annotations

import sys
from pathlib import Path

from making import files

HERE = Path(__file__).resolve().parent


def main() -> int:
    """Bring the files to what the text says, or tell which are not."""
    made = {HERE / name: text for name, text in files()}
    stale = [path for path in HERE.rglob("*.json") if path not in made]
    changed = [p for p, text in made.items() if not p.exists() or p.read_text("ascii") != text]
    if "--check" in sys.argv[1:]:
        names = [path.relative_to(HERE).as_posix() for path in stale + changed]
        sys.stdout.write("".join(f"{name} is not what the text says\n" for name in names))
        return 1 if names else 0
    for path in stale:
        path.unlink()
    for path in changed:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(made[path], encoding="ascii")
    return 0


if __name__ == "__main__":
    sys.exit(main())
