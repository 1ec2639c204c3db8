"""What the daemon says while it runs.

Standard ``logging``, two forms. On a terminal a line for a human::

    14:03:07 INFO    net.peers: connected  peer=K7QZ2MF suite="X25519+ML-KEM-768 / …"

and everywhere else (journal, file, container) one JSON object per line. Fields are given as
``log.info("connected", extra={"peer": peer.short})``.

Two promises hold for every line, whoever supplied its text:

- one record is one line of printable text. Names, reasons and error texts come from peers; a
  newline or a terminal escape in them is shown as ``\\n`` or ``\\x1b``, never obeyed. Traceback
  lines follow their record behind a ``|`` margin.
- no join token appears, even if a caller logs one by mistake.
"""

from __future__ import annotations

import json
import logging
import re
import sys
import time
from datetime import UTC, datetime
from typing import Final, Literal, TextIO, get_args

from qrfld.errors import QrfldError

Level = Literal["debug", "info", "warning", "error"]
Format = Literal["auto", "human", "json"]
LEVELS: Final[tuple[str, ...]] = get_args(Level)
FORMATS: Final[tuple[str, ...]] = get_args(Format)

# One record never exceeds this many characters, however long the text that a peer supplied.
MAX_LINE = 16384

# C0 and C1 controls, DEL; line and paragraph separators; bidirectional overrides and isolates,
# which can make a line read differently from what it says; zero-width and byte-order marks; lone
# surrogates, which no UTF-8 stream can carry.
_UNPRINTABLE = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ud800-\udfff]"
)
_TOKEN = re.compile(r"(qrfl1-)[a-z2-7]+", re.IGNORECASE)
_OWN_ATTRIBUTES = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


def configure(level: Level = "info", format: Format = "auto", stream: TextIO | None = None) -> None:
    """Send the log to ``stream`` (standard error); a second call replaces the first.

    ``auto`` means ``human`` when the stream is a terminal and ``json`` otherwise.
    """
    stream = sys.stderr if stream is None else stream
    if format == "auto":
        format = "human" if stream.isatty() else "json"
    handler = _Handler(stream)
    handler.setFormatter(HumanFormatter() if format == "human" else JsonFormatter())
    root = logging.getLogger()
    for old in [h for h in root.handlers if isinstance(h, _Handler)]:
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(level.upper())


def printable(text: str) -> str:
    """Return ``text`` with every character that could steer a terminal escaped."""
    return _UNPRINTABLE.sub(lambda match: _escape(match[0]), text)


class _Handler(logging.StreamHandler[TextIO]):
    """Our handler, told from those that a host program or a test has installed."""


class HumanFormatter(logging.Formatter):
    """``time level logger: message  key=value``, one line of printable text."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line, and the traceback's lines behind a margin."""
        clock = time.strftime("%H:%M:%S", time.localtime(record.created))
        name = record.name.removeprefix("qrfld.")
        fields = "".join(f" {key}={_human(value)}" for key, value in _fields(record).items())
        text = _message(record) + (f" {fields}" if fields else "")
        lines = [f"{clock} {record.levelname:<7} {name}: {_clean(text)}"]
        lines += [f"    | {_clean(line)}" for line in _traceback(self, record)]
        return "\n".join(lines)


class JsonFormatter(logging.Formatter):
    """One ASCII JSON object per line; times in UTC with milliseconds."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the object; a field never replaces time, level, logger or message."""
        moment = datetime.fromtimestamp(record.created, UTC)
        line: dict[str, object] = {
            "time": moment.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": _redact(_message(record)),
        }
        for key, value in _fields(record).items():
            line.setdefault(_redact(key), _plain(value))
        traceback = _traceback(self, record)
        if traceback:
            line["traceback"] = [_redact(part) for part in traceback]
        return json.dumps(line)


def _message(record: logging.LogRecord) -> str:
    # A wrong format string must not cost the record, nor raise into the caller.
    try:
        return record.getMessage()
    except (TypeError, ValueError, KeyError):
        return f"{record.msg} {record.args!r}"


def _fields(record: logging.LogRecord) -> dict[str, object]:
    fields = {key: value for key, value in vars(record).items() if key not in _OWN_ATTRIBUTES}
    error = record.exc_info[1] if record.exc_info else None
    if isinstance(error, QrfldError):
        fields.setdefault("error", error.name)
    return fields


def _traceback(formatter: logging.Formatter, record: logging.LogRecord) -> list[str]:
    if record.exc_info is None or record.exc_info[1] is None:
        return []
    return formatter.formatException(record.exc_info).split("\n")


def _human(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    text = str(_plain(value))
    return json.dumps(text, ensure_ascii=False) if re.search(r'[\s"=]', text) or not text else text


def _plain(value: object) -> object:
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, bytes):
        return value.hex()
    return _redact(str(value))


def _clean(text: str) -> str:
    return printable(_redact(text))


def _redact(text: str) -> str:
    if len(text) > MAX_LINE:
        text = f"{text[:MAX_LINE]}… ({len(text)} characters)"
    return _TOKEN.sub(r"\1[redacted]", text)


def _escape(character: str) -> str:
    named = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}
    code = ord(character)
    return named.get(character) or (f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}")
