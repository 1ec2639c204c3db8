"""Invariant: a JSON file is refused by name, or is a configuration that means the same when it is
written out again, and every line that would be told for a key lies in the file.
"""

from __future__ import annotations

from fuzz import config_files

MAX_LEN = 2048


def check(data: bytes) -> None:
    """See the module."""
    config_files.check(".json", data)


def seeds() -> list[bytes]:
    """Settings, and what is wrong with them."""
    return [
        b'{"node": {"name": "n\\u00e4me", "advertise": ["a:1"]}, "tasks": {"mine": "t.py:T"}}',
        b'{\n "limits": {\n  "sessions": 5,\n  "handshake_seconds": 1e400\n }\n}',
        b'{"lab": {"attack": "sign-flip", "attack_scale": NaN}}',
        b'{"log": {"level": "info", "level": "debug"}}',
        b'{"worker": {"nice": 99999999999999999999}, "x": [[[[]]]]}',
    ]
