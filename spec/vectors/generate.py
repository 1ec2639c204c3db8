"""Write every vector anew: ``python spec/vectors/generate.py``. Needs the extra ``dev``.

Files that no vector asks for any more are removed. ``tests/protocol/test_vectors_files.py`` makes
sure that what is written is what would be.
"""

from __future__ import annotations

from pathlib import Path

from making import AREAS, files

HERE = Path(__file__).resolve().parent


def main() -> None:
    """Replace the areas' folders by what the text says."""
    for area in AREAS:
        for old in (HERE / area).rglob("*.json"):
            old.unlink()
    for name, text in files():
        path = HERE / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="ascii")


if __name__ == "__main__":
    main()
