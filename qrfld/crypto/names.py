"""Names that people give: to a node, to a federation."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

NAME_MAX_LENGTH = 64

Name = Annotated[str, Meta(min_length=1, max_length=NAME_MAX_LENGTH)]


def name_flaw(name: str) -> str:
    """What keeps `name` from being one, or the empty string.

    A name has 1 to 64 characters, all printable (so no line breaks, escapes or characters that
    reverse the text around them), and no space at either end.
    """
    if not 1 <= len(name) <= NAME_MAX_LENGTH:
        return f"a name has 1 to {NAME_MAX_LENGTH} characters, not {len(name)}"
    if not name.isprintable():
        return f"the name {name!a} has a character that is not printable"
    if name != name.strip():
        return f"the name {name!a} begins or ends with a space"
    return ""
