"""Invariant: a YAML file is refused by name, or is a configuration that means the same as JSON, and
every line that would be told for a key lies in the file.
"""

from __future__ import annotations

from fuzz import config_files

MAX_LEN = 1024


def check(data: bytes) -> None:
    """See the module."""
    config_files.check(".yaml", data)


def seeds() -> list[bytes]:
    """Settings in several styles, and the parts of YAML that are refused."""
    return [
        b'node:\n  name: "n\\u00e4me"\n  advertise: [a:1, "b:2"]\ntasks: {mine: t.py:T}\n',
        b"limits:\n  sessions: 0x5\n  handshake_seconds: 1.5e+0\n---\n",
        b"lab: &a\n  attack: x\nlog: *a\n",
        b"log: !!map\n  level: info\n",
        b"? [a]\n: b\n<<: {c: d}\n",
        b"worker:\n  nice: 1\n  nice: 2\n  job_seconds: 1:30\n  memory_mb: 2001-01-01\n",
        b"bootstrap: {peers: [VFTKUMK@h:1]}\nnode: |\n  text\n on: off\n",
    ]
