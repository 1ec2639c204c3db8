from __future__ import annotations

import contextlib
import json
import math
import os
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from qrfld.config import (
    Config,
    ConfigFileError,
    ConfigValueError,
    DuplicateKeyError,
    UnknownKeyError,
    load,
    parse_address,
    parse_peer,
    render_default,
)
from qrfld.config.key_lines import json_lines, toml_lines
from qrfld.errors import ConfigError


@pytest.fixture
def write(tmp_path: Path):  # type: ignore[no-untyped-def]
    def write(text: str | bytes, name: str = "qrfld.toml") -> Path:
        path = tmp_path / name
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        return path

    return write


# Reading


def test_empty_file_gives_the_defaults(write) -> None:
    assert load(write(""), {}) == Config()
    assert load(write("", "a.yaml"), {}) == Config()
    assert load(write("{}", "a.json"), {}) == Config()


def test_three_formats_say_the_same(write) -> None:
    expected = load(write('[node]\nname = "n1"\n[limits]\nsessions = 7\n'), {})
    assert expected.node.name == "n1"
    assert expected.limits.sessions == 7
    assert load(write("node:\n  name: n1\nlimits: {sessions: 7}\n", "a.yml"), {}) == expected
    text = json.dumps({"node": {"name": "n1"}, "limits": {"sessions": 7}})
    assert load(write(text, "a.json"), {}) == expected


def test_whole_number_is_taken_where_seconds_are_expected(write) -> None:
    assert load(write("[limits]\nhandshake_seconds = 3"), {}).limits.handshake_seconds == 3.0


def test_task_file_is_taken_from_the_directory_of_the_config(write, tmp_path: Path) -> None:
    path = write('[tasks]\nhearts = "hearts/task.py:Hearts"\nx = "digits"\ny = "/a/b.py:C"')
    assert load(path, {}).tasks == {
        "hearts": f"{tmp_path}/hearts/task.py:Hearts",
        "x": "digits",
        "y": "/a/b.py:C",
    }


def test_windows_byte_order_mark_is_skipped(write) -> None:
    assert load(write(b"\xef\xbb\xbf[node]\nname = 'n'"), {}).node.name == "n"


def test_describe_gives_plain_maps_of_everything() -> None:
    described = Config().describe()
    assert json.loads(json.dumps(described)) == described
    assert described["listen"] == {"host": "0.0.0.0", "port": 7483}  # noqa: S104


def test_lab_attack_is_warned_about(write) -> None:
    assert Config().warnings() == []
    (warning,) = load(write('[lab]\nattack = "sign-flip"'), {}).warnings()
    assert "sign-flip" in warning


# Unknown keys


@pytest.mark.parametrize(
    ("name", "text", "line"),
    [
        ("a.toml", '[node]\nname = "x"\n\n[limits]\nsesions = 3\n', 5),
        ("a.toml", "limits.sesions = 3", 1),
        ("a.toml", "limits = { handshakes = 3, sesions = [[1], [2]] }", 1),
        ("a.yaml", "node:\n  name: x\nlimits:\n  sesions: 3\n", 4),
        ("a.json", '{"node": {"name": "sesions:"},\n "limits":\n {"sesions": 3}}', 3),
    ],
)
def test_unknown_key_names_key_line_and_nearest(write, name: str, text: str, line: int) -> None:
    with pytest.raises(UnknownKeyError) as caught:
        load(write(text, name), {})
    assert "'limits.sesions'" in caught.value.message
    assert f"{name}, line {line}" in caught.value.message
    assert "'sessions'" in caught.value.hint
    assert caught.value.exit_code == 4


def test_unknown_section_names_line_and_nearest(write) -> None:
    with pytest.raises(UnknownKeyError, match=r"'limit' in qrfld.toml, line 2") as caught:
        load(write("\n[limit]\nsessions = 3"), {})
    assert "'limits'" in caught.value.hint


def test_key_in_the_wrong_section_names_the_right_one(write) -> None:
    with pytest.raises(UnknownKeyError) as caught:
        load(write("[node]\nhandshake_seconds = 3"), {})
    assert "[limits]" in caught.value.hint


def test_unknown_key_like_nothing_lists_all(write) -> None:
    with pytest.raises(UnknownKeyError) as caught:
        load(write("[node]\nzzzzzzz = 3"), {})
    assert "name, advertise" in caught.value.hint


# Wrong values


@pytest.mark.parametrize(
    ("text", "key", "value"),
    [
        ('[limits]\nsessions = "many"', "limits.sessions", "'many'"),
        ("[limits]\nsessions = -1", "limits.sessions", "-1"),
        ("[limits]\nsessions = 0", "limits.sessions", "0"),
        ("[limits]\nsessions = true", "limits.sessions", "True"),
        ("[limits]\nsessions = 1.5", "limits.sessions", "1.5"),
        ("[limits]\nsessions = 99999999999999999999999", "limits.sessions", "99999999999999999999"),
        ("[limits]\nsessions = 1979-05-27", "limits.sessions", "datetime.date"),
        ("[limits]\nmodel_bytes = -5", "limits.model_bytes", "-5"),
        ("[limits]\nhandshake_seconds = nan", "limits.handshake_seconds", "nan"),
        ("[limits]\nhandshake_seconds = inf", "limits.handshake_seconds", "inf"),
        ("[lab]\nattack_scale = nan", "lab.attack_scale", "nan"),
        ("[lab]\nattack_scale = -inf", "lab.attack_scale", "-inf"),
        ('[lab]\nattack = "; rm"', "lab.attack", "'; rm'"),
        ("[listen]\nport = 65536", "listen.port", "65536"),
        ("[listen]\nhost = 5", "listen.host", "5"),
        ('[listen]\nhost = ""', "listen.host", "''"),
        ('[log]\nlevel = "loud"', "log.level", "'loud'"),
        ('[node]\nadvertise = "a:1"', "node.advertise", "'a:1'"),
        ("[node]\nadvertise = [1]", "node.advertise", "[1]"),
        ('[node]\nname = "ab\\n"', "node.name", "'ab\\n'"),
        ('[lab]\nattack = "gaussian\\n"', "lab.attack", "'gaussian\\n'"),
        ('[node]\nname = "a\\u001bb"', "node.name", "'a\\x1bb'"),
        (f'[node]\nname = "{"x" * 65}"', "node.name", "xxx"),
        ("[node.name]\nx = 1", "node.name", "a section"),
        ("[tasks]\nx = 1", "tasks.x", "1"),
    ],
)
def test_wrong_value_names_key_value_line_and_expectation(
    write, text: str, key: str, value: str
) -> None:
    with pytest.raises(ConfigValueError) as caught:
        load(write(text), {})
    message = caught.value.message
    assert message.startswith(f"{key} is ")
    assert value in message
    assert "line " in message
    assert "; expected " in message
    assert len(message) < 300


def test_section_that_is_a_number_is_refused(write) -> None:
    with pytest.raises(ConfigValueError, match=r"limits is 5 in qrfld.toml, line 2"):
        load(write("\nlimits = 5"), {})


def test_task_name_with_path_characters_is_refused(write) -> None:
    with pytest.raises(ConfigValueError, match="line 2"):
        load(write('[tasks]\n"../x" = "digits"'), {})
    with pytest.raises(ConfigValueError, match="line 2"):
        load(write('[tasks]\n"x\\n" = "digits"'), {})


def test_spool_smaller_than_one_model_is_refused(write) -> None:
    with pytest.raises(ConfigValueError, match=r"spool_bytes is 2048, less than one model"):
        load(write("[limits]\nspool_bytes = 2048"), {})


@pytest.mark.parametrize(
    "address",
    ["", "host", ":1", "host:", "host:0", "host:65536", "host:99999999", "ho st:1", "a/b:1",
     "[::1:1", "::1:1", "[x]:1", "host:+1", "host:\u0661", "-a:1", "[fe80::1%eth0]:1",
     "a" * 250 + "!:1", "a.." * 50 + ":1", "a" * 254 + ":1", "a\n:1"],
)  # fmt: skip
def test_wrong_address_is_refused(write, address: str) -> None:
    with pytest.raises(ConfigValueError):
        parse_address(address)
    with pytest.raises(ConfigValueError, match="advertise"):
        load(write(f"[node]\nadvertise = [{json.dumps(address)}]"), {})


def test_addresses_are_read() -> None:
    assert parse_address("node-1.example.org:7483") == ("node-1.example.org", 7483)
    assert parse_address("10.0.0.1:1") == ("10.0.0.1", 1)
    assert parse_address("[2001:db8::1]:65535") == ("2001:db8::1", 65535)
    assert parse_peer("ABC-DEF@[::1]:5") == ("ABC-DEF", "::1", 5)


def test_wrong_peer_is_not_repeated_at_length() -> None:
    # Found by fuzzing: 400 odd characters became 2,000 of an error's text.
    with pytest.raises(ConfigValueError) as refusal:
        parse_peer("\udcff" * 5000)
    assert len(str(refusal.value)) < 600


@pytest.mark.parametrize("peer", ["host:1", "@host:1", "A@host", "A@B@host:1", "Ä@host:1"])
def test_wrong_bootstrap_peer_is_refused(write, peer: str) -> None:
    with pytest.raises(ConfigValueError):
        parse_peer(peer)
    with pytest.raises(ConfigValueError, match=r"bootstrap\.peers in qrfld.toml, line 2"):
        load(write(f'[bootstrap]\npeers = ["{peer}"]'), {})


# Environment


def test_environment_overrides_the_file(write) -> None:
    env = {
        "QRFLD_LIMITS_SESSIONS": "9",
        "QRFLD_LIMITS_HANDSHAKE_SECONDS": "2",
        "QRFLD_NODE_NAME": "123",
        "QRFLD_NODE_ADVERTISE": "a:1, b:2",
        "QRFLD_CRYPTO_PROVIDER": "liboqs",
        "QRFLD_TASKS_HEARTS": "digits",
    }
    config = load(write("[limits]\nsessions = 3\nhandshakes = 4"), env)
    assert (config.limits.sessions, config.limits.handshakes) == (9, 4)
    assert config.limits.handshake_seconds == 2.0
    assert config.node.name == "123"
    assert config.node.advertise == ["a:1", "b:2"]
    assert config.crypto.provider == "liboqs"
    assert config.tasks == {"hearts": "digits"}


def test_environment_of_others_is_ignored(write) -> None:
    env = {"QRFLD_HOME": "/x", "QRFLD_PASSPHRASE": "x", "QRFLDX": "1", "LIMITS_SESSIONS": "x"}
    assert load(write(""), env) == Config()


@pytest.mark.parametrize("variable", ["QRFLD_LIMITS_SESIONS", "QRFLD_LIMITS_", "QRFLD_LOG"])
def test_environment_with_unknown_key_is_refused(write, variable: str) -> None:
    with pytest.raises(UnknownKeyError, match=f"in {variable}\\b"):
        load(write(""), {variable: "1"})


@pytest.mark.parametrize("value", ["", "many", "-1", "1.5", "nan", "9" * 5000])
def test_environment_with_wrong_value_names_the_variable(write, value: str) -> None:
    with pytest.raises(ConfigValueError, match=r"limits\.sessions is .* in QRFLD_LIMITS_SESSIONS"):
        load(write(""), {"QRFLD_LIMITS_SESSIONS": value})


# Hostile files


def test_missing_file_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ConfigFileError, match="No such file") as caught:
        load(tmp_path / "qrfld.toml", {})
    assert "qrfl init" in caught.value.hint


def test_directory_is_refused(tmp_path: Path) -> None:
    (tmp_path / "qrfld.toml").mkdir()
    with pytest.raises(ConfigFileError):
        load(tmp_path / "qrfld.toml", {})


def test_device_is_refused(tmp_path: Path) -> None:
    (tmp_path / "qrfld.toml").symlink_to("/dev/zero")
    with pytest.raises(ConfigFileError, match="not a regular file"):
        load(tmp_path / "qrfld.toml", {})


def test_pipe_is_refused_without_waiting(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "qrfld.toml")
    with pytest.raises(ConfigFileError, match="not a regular file"):
        load(tmp_path / "qrfld.toml", {})


def test_unknown_suffix_is_refused(write) -> None:
    with pytest.raises(ConfigFileError, match=r"'\.ini'"):
        load(write("", "qrfld.ini"), {})


def test_huge_file_is_refused(write) -> None:
    with pytest.raises(ConfigFileError, match="larger than 262144 bytes"):
        load(write(b"#" * 300_000), {})


@pytest.mark.parametrize("name", ["a.toml", "a.yaml", "a.json"])
@given(data=st.binary(max_size=200))
@settings(max_examples=60, deadline=None)
def test_random_bytes_load_or_raise_a_config_error(
    tmp_path_factory: pytest.TempPathFactory, name: str, data: bytes
) -> None:
    path = tmp_path_factory.getbasetemp() / name
    path.write_bytes(data)
    with contextlib.suppress(ConfigError):
        load(path, {})


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.toml", "a = " + "[" * 100_000),
        ("a.toml", "a = " + "{a = " * 20_000),
        ("a.toml", "a = " + "9" * 100_000),
        ("a.toml", "a" + ".a" * 100_000 + " = 1"),
        ("a.toml", "a = " + "[" * 40 + "]" * 40),
        ("a.json", "[" * 200_000),
        ("a.json", '{"a":' * 400 + "1" + "}" * 400),
        ("a.json", '{"limits": {"sessions": ' + "9" * 100_000 + "}}"),
        ("a.json", '{"limits": {"handshake_seconds": NaN}}'),
        ("a.json", '{"limits": {"handshake_seconds": 1e999}}'),
        ("a.json", "[1, 2]"),
        ("a.yaml", "[" * 200_000),
        ("a.yaml", "- " * 100_000),
        ("a.yaml", "? " * 100_000),
        ("a.yaml", "limits:\n  sessions: " + ":".join(["1"] * 20_000)),
        ("a.yaml", "limits: !!python/object/apply:os.system [id]"),
        ("a.yaml", "limits: {<<: {sessions: 3}}"),
        ("a.yaml", "? [1, 2]\n: 3"),
        ("a.yaml", "--- {}\n--- {}\n"),
        ("a.yaml", "just text"),
        ("a.yaml", "node: {name: no}"),
        ("a.toml", "\x00"),
        ("a.toml", "[node]\nname = 'x"),
    ],
)
def test_hostile_file_raises_a_short_named_error(write, name: str, text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(write(text, name), {})
    assert len(caught.value.message) < 600


def test_yaml_alias_bomb_is_refused_before_it_unfolds(write) -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 12)]
    with pytest.raises(ConfigFileError, match="line 1: aliases and anchors are not allowed"):
        load(write("\n".join(lines), "a.yaml"), {})


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.toml", "[limits]\nsessions = 1\nsessions = 2"),
        ("a.toml", "[limits]\n[limits]"),
        ("a.yaml", "limits:\n  sessions: 1\n  sessions: 2"),
        ("a.json", '{"limits": {"sessions": 1, "sessions": 2}}'),
    ],
)
def test_duplicate_key_is_refused(write, name: str, text: str) -> None:
    with pytest.raises(DuplicateKeyError):
        load(write(text, name), {})


def test_yaml_without_pyyaml_says_what_to_install(write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "yaml", None)
    with pytest.raises(ConfigFileError, match="PyYAML is not installed") as caught:
        load(write("{}", "a.yaml"), {})
    assert "qrfld[yaml]" in caught.value.hint


# Lines: a second reader that must agree with the parsers


KEYS = st.sampled_from(["a", "b-1", "x.y", 'q"', "ü", "#", "[", "="])
TREES = st.recursive(
    st.one_of(st.integers(), st.booleans(), st.text(max_size=5), st.just('"""\n[limits]')),
    lambda child: st.one_of(st.lists(child, max_size=3), st.dictionaries(KEYS, child, max_size=3)),
    max_leaves=8,
)


def paths(tree: object, prefix: tuple[str, ...] = ()) -> set[tuple[str, ...]]:
    if isinstance(tree, list):
        return {path for item in tree for path in paths(item, prefix)}
    if not isinstance(tree, dict):
        return set()
    return {
        path
        for key, value in tree.items()
        for path in [(*prefix, key), *paths(value, (*prefix, key))]
    }


@given(st.dictionaries(KEYS, TREES, max_size=4))
def test_json_lines_know_every_key(tree: dict[str, object]) -> None:
    text = json.dumps(tree, indent=1)
    lines = json_lines(text)
    assert set(lines) == paths(tree)
    for path, line in lines.items():
        assert json.dumps(path[-1]) in text.split("\n")[line - 1]


def inline(value: object) -> str:
    if isinstance(value, dict):
        pairs = (f"{json.dumps(key)} = {inline(item)}" for key, item in value.items())
        return "{" + ", ".join(pairs) + "}"
    if isinstance(value, list):
        return "[ # ] {\n" + ",\n".join(inline(item) for item in value) + "\n]"
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


@given(st.dictionaries(KEYS, st.dictionaries(KEYS, TREES, max_size=3), max_size=3))
def test_toml_lines_know_every_key(tree: dict[str, dict[str, object]]) -> None:
    text = "".join(
        f"# a = 1\n[ {json.dumps(section)} ] # ]\n"
        + "".join(f"{json.dumps(key)} = {inline(value)} # {{\n" for key, value in content.items())
        for section, content in tree.items()
    )
    assert tomllib.loads(text) == tree
    lines = toml_lines(text)
    assert set(lines) == paths(tree)
    for path, line in lines.items():
        assert json.dumps(path[-1]) in text.split("\n")[line - 1]


# The template


def test_template_loads_as_the_defaults_with_the_name(write) -> None:
    config = load(write(render_default("alice")), {})
    assert config.node.name == "alice"
    assert {**config.describe(), "node": {}} == {**Config().describe(), "node": {}}


def test_template_uncommented_loads_as_the_same(write) -> None:
    text = render_default("alice").replace("# hearts", "## hearts")
    lines = [line.removeprefix("# ") if " = " in line else line for line in text.splitlines()]
    lines = [line for line in lines if not line.startswith("attack_scale")]
    uncommented = "\n".join(lines)
    assert "\nport = 7483" in uncommented
    assert load(write(uncommented), {}) == load(write(text), {})


def test_template_with_choices_loads_with_them(write) -> None:
    text = render_default(
        'quo"te\u2028🐙',
        listen={"host": "127.0.0.1", "port": 0},
        lab={"attack": "sign-flip", "attack_scale": 2.5},
        tasks={"hearts": "/x/task.py:Hearts", "a.b": "digits"},
        node={"advertise": ["127.0.0.1:5", "[::1]:6"]},
    )
    config = load(write(text), {})
    assert config.node.name == 'quo"te\u2028🐙'
    assert config.node.advertise == ["127.0.0.1:5", "[::1]:6"]
    assert (config.listen.host, config.listen.port) == ("127.0.0.1", 0)
    assert math.isclose(config.lab.attack_scale or 0, 2.5)
    assert config.tasks == {"hearts": "/x/task.py:Hearts", "a.b": "digits"}


def test_template_with_wrong_choice_is_refused() -> None:
    with pytest.raises(ConfigValueError, match=r"listen\.port"):
        render_default("alice", listen={"port": 70000})
    with pytest.raises(UnknownKeyError, match="prot"):
        render_default("alice", listen={"prot": 7})
    with pytest.raises(UnknownKeyError, match="lisen"):
        render_default("alice", lisen={"port": 7})


def test_yaml_lines_are_those_of_the_keys(write) -> None:
    assert yaml.safe_load("on: 1") == {True: 1}, "the reason why keys are taken as written"
    with pytest.raises(UnknownKeyError, match=r"'on' in a\.yaml, line 2"):
        load(write("\non: 1", "a.yaml"), {})
