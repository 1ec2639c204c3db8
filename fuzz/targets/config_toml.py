"""Invariant: a TOML file is refused by name, or is a configuration that means the same as JSON, and
every line that would be told for a key lies in the file.
"""

from __future__ import annotations

from fuzz import config_files
from qrfld.config import render_default

MAX_LEN = 2048


def check(data: bytes) -> None:
    """See the module."""
    config_files.check(".toml", data)


def seeds() -> list[bytes]:
    """The template, and settings in every notation that TOML has."""
    template = "\n".join(
        line for line in render_default("node").splitlines() if line and not line.startswith("#")
    )
    return [
        template.encode(),
        b'[node]\nname = "n\\u00e4me"\nadvertise = [\n  "a:1", # one\n  "b:2",\n]\n',
        b"node.name = 'x'\nlimits = {sessions = 5, handshake_seconds = 1e0}\n",
        b'[tasks]\n"mine" = """task.py:Mine"""\nother = \'\'\'digits\'\'\'\n',
        b"[lab]\nattack_scale = inf\n",
        b"[bootstrap]\npeers = ['VFTKUMK@h:1']\n[[x]]\n[limits]\nsesions = 0x10\n",
        b"[log]\nlevel = 'loud'\nlevel = 'info'\n",
        b"\xef\xbb\xbf[worker]\r\nnice = 1_0\r\nmemory_mb = 1979-05-27\r\n",
    ]
