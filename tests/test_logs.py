from __future__ import annotations

import io
import json
import logging
import unicodedata
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qrfld import logs
from qrfld.errors import ConfigError

log = logging.getLogger("qrfld.net.peers")


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def root_as_it_was() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


def human(*args: object, **extra: object) -> str:
    stream = io.StringIO()
    logs.configure("debug", "human", stream)
    log.info(*args, extra=extra or None)  # type: ignore[arg-type]
    return stream.getvalue()


def as_json(*args: object, **extra: object) -> dict[str, object]:
    stream = io.StringIO()
    logs.configure("debug", "json", stream)
    log.info(*args, extra=extra or None)  # type: ignore[arg-type]
    lines = stream.getvalue().splitlines()
    assert len(lines) == 1
    value: dict[str, object] = json.loads(lines[0])
    return value


def test_auto_on_a_terminal_is_human() -> None:
    stream = Terminal()
    logs.configure("info", "auto", stream)
    log.info("hello")
    assert stream.getvalue().endswith("INFO    net.peers: hello\n")


def test_auto_elsewhere_is_json() -> None:
    stream = io.StringIO()
    logs.configure("info", "auto", stream)
    log.info("hello")
    line = json.loads(stream.getvalue())
    assert line["message"] == "hello"
    assert line["level"] == "info"
    assert line["logger"] == "qrfld.net.peers"
    assert line["time"].endswith("Z")


def test_level_below_the_threshold_is_silent() -> None:
    stream = io.StringIO()
    logs.configure("warning", "json", stream)
    log.info("quiet")
    log.warning("loud")
    assert [json.loads(line)["message"] for line in stream.getvalue().splitlines()] == ["loud"]


def test_configure_twice_writes_once_and_to_the_second() -> None:
    first, second = io.StringIO(), io.StringIO()
    logs.configure("info", "human", first)
    logs.configure("info", "human", second)
    log.info("x")
    assert first.getvalue() == ""
    assert second.getvalue().count("\n") == 1


def test_configure_leaves_foreign_handlers_alone() -> None:
    foreign = logging.NullHandler()
    logging.getLogger().addHandler(foreign)
    logs.configure("info", "human", io.StringIO())
    assert foreign in logging.getLogger().handlers


def test_fields_appear_in_both_forms() -> None:
    assert "connected  peer=K7QZ2MF rtt=0.1235\n" in human("connected", peer="K7QZ2MF", rtt=0.12345)
    line = as_json("connected", peer=b"\x01\x02", rtt=0.5, count=3)
    assert (line["peer"], line["rtt"], line["count"]) == ("0102", 0.5, 3)


def test_field_with_spaces_is_quoted() -> None:
    assert 'suite="two words"' in human("x", suite="two words")


def test_field_cannot_replace_the_message() -> None:
    stream = io.StringIO()
    logs.configure("debug", "json", stream)
    log.info("true", extra={"level": "fake", "time": "fake"})
    line = json.loads(stream.getvalue())
    assert line["level"] == "info"
    assert line["time"] != "fake"


@pytest.mark.parametrize(
    ("attack", "shown"),
    [
        ("x\n14:03:07 INFO    daemon: all is well", "x\\n14:03:07"),
        ("\x1b[2J\x1b]0;owned\x07", "\\x1b[2J\\x1b]0;owned\\x07"),
        ("\x9b31m", "\\x9b31m"),
        ("a\rb", "a\\rb"),
        ("\u202egnp.exe", "\\u202egnp.exe"),
        ("\u2028line", "\\u2028line"),
    ],
)
def test_human_line_with_hostile_text_stays_one_printable_line(attack: str, shown: str) -> None:
    for line in (human("peer said %s", attack), human("peer said", reason=attack)):
        assert line.count("\n") == 1
        assert shown in line.replace("\\\\", "\\")


def test_printable_lone_surrogate_is_escaped() -> None:
    # Not through a logger: pytest would keep the record, which xdist cannot send.
    assert logs.printable("\ud800") == "\\ud800"


def test_json_line_with_hostile_text_stays_one_line_and_keeps_it() -> None:
    attack = 'x\n{"level":"info"}\u2028\x1b[2J'
    assert as_json("said %s", attack)["message"] == f"said {attack}"


@given(st.text())
def test_printable_any_text_has_no_control_character(text: str) -> None:
    shown = logs.printable(text)
    assert not any(unicodedata.category(c) in {"Cc", "Cs", "Zl", "Zp"} for c in shown)
    assert len(shown.splitlines()) <= 1


def test_token_in_a_message_is_redacted() -> None:
    token = "qrfl1-" + "abcdefgh234567" * 10
    assert "abcdefgh" not in human("joining with %s", token)
    assert "abcdefgh" not in human("joining", token=token)
    assert "abcdefgh" not in json.dumps(as_json("joining with %s", token, token=token))


def test_token_in_a_traceback_is_redacted() -> None:
    stream = io.StringIO()
    logs.configure("debug", "json", stream)
    try:
        raise ValueError("qrfl1-abcdefgh")
    except ValueError:
        log.exception("failed")
    assert "abcdefgh" not in stream.getvalue()


def test_human_traceback_with_hostile_text_stays_behind_the_margin() -> None:
    stream = io.StringIO()
    logs.configure("debug", "human", stream)
    try:
        raise ConfigError("bad\n14:00:00 INFO    daemon: fake\x1b[2J")
    except ConfigError:
        log.exception("failed")
    first, *rest = stream.getvalue().splitlines()
    assert first.endswith("failed  error=config")
    assert rest
    assert all(line.startswith("    | ") for line in rest)
    assert "\x1b" not in stream.getvalue()


def test_json_traceback_names_the_error() -> None:
    stream = io.StringIO()
    logs.configure("debug", "json", stream)
    try:
        raise ConfigError("bad")
    except ConfigError:
        log.exception("failed")
    line = json.loads(stream.getvalue())
    assert line["error"] == "config"
    assert line["traceback"][0].startswith("Traceback")


def test_message_of_a_megabyte_is_cut() -> None:
    assert len(human("%s", "x" * 1_000_000)) < 20_000
    assert len(str(as_json("%s", "x" * 1_000_000)["message"])) < 20_000


def test_wrong_format_string_still_logs() -> None:
    record = logging.LogRecord("qrfld", logging.INFO, "", 0, "%d things", ("three",), None)
    for formatter in (logs.HumanFormatter(), logs.JsonFormatter()):
        assert "%d things ('three',)" in formatter.format(record)
