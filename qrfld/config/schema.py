"""Every setting there is: its type, its bounds, its default, and one line that explains it.

The loader, the checks, the environment variables and the template that ``qrfl init`` writes are all
derived from these structs; a setting is added here and nowhere else.
"""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta

MIB: Final = 1 << 20
GIB: Final = 1 << 30

Address = Annotated[str, Meta(min_length=1, max_length=255, description='an address "host:port"')]
PeerAddress = Annotated[
    str, Meta(min_length=1, max_length=400, description='a peer "NODE-ID@host:port"')
]
TaskName = Annotated[
    str,
    Meta(
        pattern=r"^[a-z0-9][a-z0-9._-]{0,63}\Z",
        description="a name of small letters, digits, '.', '_' and '-'",
    ),
]
TaskSpec = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=4096,
        description='a task: an entry point\'s name or "path/to/task.py:Name"',
    ),
]


class Section(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Base of the sections."""


class Node(Section, frozen=True):
    """Who this node is to others."""

    name: Annotated[
        str,
        Meta(
            max_length=64,
            pattern=r"^[^\x00-\x1f\x7f-\x9f\ud800-\udfff]*\Z",
            description="this node's name as in its certificate, up to 64 printable characters",
        ),
    ] = ""
    advertise: Annotated[
        list[Address],
        Meta(max_length=8, description='up to 8 addresses "host:port" at which peers reach us'),
    ] = msgspec.field(default_factory=list)


class Listen(Section, frozen=True):
    """Where peers connect to."""

    host: Annotated[
        str, Meta(min_length=1, max_length=255, description="the address to listen on")
    ] = "0.0.0.0"  # noqa: S104 - a daemon for peers listens to peers; sessions authenticate.
    port: Annotated[
        int, Meta(ge=0, le=65535, description="the TCP port, 0 to 65535 (0: any free one)")
    ] = 7483


class Limits(Section, frozen=True):
    """What one node lends to others at most."""

    sessions: Annotated[int, Meta(ge=1, le=4096, description="sessions at once, 1 to 4096")] = 128
    handshakes: Annotated[int, Meta(ge=1, le=1024, description="handshakes at once, 1 to 1024")] = 8
    handshake_seconds: Annotated[
        float, Meta(ge=0.1, le=300, description="seconds for a whole handshake, 0.1 to 300")
    ] = 5.0
    model_bytes: Annotated[
        int, Meta(ge=1024, le=1 << 40, description="bytes of one model, 1024 to 2^40")
    ] = 256 * MIB
    spool_bytes: Annotated[
        int,
        Meta(ge=1024, le=1 << 44, description="bytes of all transfers under way, 1024 to 2^44"),
    ] = 2 * GIB


class WorkerSettings(Section, frozen=True):
    """The process that trains."""

    memory_mb: Annotated[
        int, Meta(ge=64, le=1 << 24, description="its memory in MiB, 64 to 2^24")
    ] = 4096
    nice: Annotated[int, Meta(ge=0, le=19, description="its nice level, 0 to 19")] = 10
    job_seconds: Annotated[
        float, Meta(ge=1, le=604800, description="seconds for one job, 1 to 604800")
    ] = 600.0


class Log(Section, frozen=True):
    """What is logged, and how."""

    level: Annotated[
        Literal["debug", "info", "warning", "error"],
        Meta(description="debug, info, warning or error"),
    ] = "info"
    format: Annotated[
        Literal["auto", "human", "json"],
        Meta(description="auto (human on a terminal), human or json"),
    ] = "auto"


class Lab(Section, frozen=True):
    """For experiments only: makes this node attack its own federation."""

    attack: Annotated[
        str,
        Meta(
            pattern=r"^([a-z][a-z0-9-]{0,31})?\Z",
            description='the name of an attack such as "sign-flip", or "" for none',
        ),
    ] = ""
    attack_scale: Annotated[
        float | None, Meta(description="how strong the attack is; unset: the attack's own default")
    ] = None


class Crypto(Section, frozen=True):
    """Which library does the cryptography."""

    provider: Annotated[
        Literal["auto", "openssl", "liboqs"], Meta(description="auto, openssl or liboqs")
    ] = "auto"


class Bootstrap(Section, frozen=True):
    """Whom to dial before any address is known."""

    peers: Annotated[
        list[PeerAddress], Meta(max_length=64, description='up to 64 peers "NODE-ID@host:port"')
    ] = msgspec.field(default_factory=list)


class Config(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All settings of one node."""

    node: Node = Node()
    listen: Listen = Listen()
    limits: Limits = Limits()
    worker: WorkerSettings = WorkerSettings()
    tasks: Annotated[
        dict[TaskName, TaskSpec],
        Meta(max_length=256, description="up to 256 tasks, name = specification"),
    ] = msgspec.field(default_factory=dict)
    log: Log = Log()
    lab: Lab = Lab()
    crypto: Crypto = Crypto()
    bootstrap: Bootstrap = Bootstrap()

    def describe(self) -> dict[str, Any]:
        """Return all settings as plain maps, for ``config show``."""
        described: dict[str, Any] = msgspec.to_builtins(self)
        return described

    def warnings(self) -> list[str]:
        """Return what is allowed but should not go unseen."""
        if not self.lab.attack:
            return []
        return [
            f"LAB MODE: this node sends {self.lab.attack} attacks to its federation "
            "(lab.attack); never set this outside an experiment"
        ]


def sections() -> dict[str, type[Section] | None]:
    """Return each section's struct; None for ``tasks``, whose keys are free."""
    return {
        field.name: field.type if isinstance(field.type, type) else None
        for field in msgspec.structs.fields(Config)
    }


def types(section: type[Section]) -> dict[str, Any]:
    """Return the annotated type of each key of ``section``."""
    return {field.name: field.type for field in msgspec.structs.fields(section)}


def expectation(annotated: Any) -> str:
    """Return the description that a setting's type carries."""
    return str(next(m.description for m in annotated.__metadata__ if isinstance(m, Meta)))
