"""spec/PROTOCOL.md and the code say the same: labels, codes, sizes, limits, fields."""

from __future__ import annotations

import re
import typing
from pathlib import Path

import pytest

from qrfld.crypto import labels, parameters, plugins, tokens
from qrfld.crypto.addresses import AddressRecord
from qrfld.crypto.canonical import MAX_DEPTH
from qrfld.crypto.certificates import Admission
from qrfld.crypto.encoding import Key, Structure
from qrfld.crypto.genesis import Genesis
from qrfld.crypto.labels import Kind
from qrfld.crypto.signed import BODY_MAX_BYTES, SIGNED_MAX_BYTES, Signed
from qrfld.crypto.suites import PRIVATE, SUITES, Aead
from qrfld.protocol import (
    bulk,
    cookies,
    credit,
    frames,
    records,
    resumption,
    streams,
    tickets,
    wire,
)
from qrfld.protocol.errors import ErrorCode
from qrfld.protocol.frames import ALLOWED, FrameType
from qrfld.protocol.messages import MAX_MESSAGE_BYTES, MESSAGES, MemberEntry, Message
from qrfld.protocol.statements import RoundRecord, RunConfig, UpdateEntry, UpdateStatement

SPEC = (Path(__file__).parents[2] / "spec" / "PROTOCOL.md").read_text(encoding="utf-8")


def section(heading: str) -> str:
    """The text under a heading, up to the next heading of any level."""
    _, found, rest = SPEC.partition(f"\n{heading}\n")
    assert found, f"no heading {heading!r}"
    return re.split(r"^#+ ", rest, maxsplit=1, flags=re.MULTILINE)[0]


def rows(text: str) -> list[list[str]]:
    """The cells of all table rows, without headings and rules."""
    lines = [line.strip("| ") for line in text.splitlines() if line.startswith("|")]
    cells = [[cell.strip(" `") for cell in line.split(" | ")] for line in lines]
    return [row for row in cells if not set(row[0]) <= set("-|: ")]


def number(text: str) -> int:
    return int(re.sub(r"[^0-9]", "", text))


def fields(structure: type[Structure]) -> list[tuple[int, str]]:
    """Key and name of each field, in the order of keys."""
    hints = typing.get_type_hints(structure, include_extras=True)
    found = []
    for name in structure.__struct_fields__:
        (key,) = [extra for extra in hints[name].__metadata__ if isinstance(extra, Key)]
        found.append((int(key), name))
    return sorted(found)


def field_rows(text: str) -> list[tuple[int, str]]:
    return [(int(row[0]), row[1]) for row in rows(text) if row[0].isdecimal()]


def test_labels_are_those_of_the_code() -> None:
    listed = [row[0] for row in rows(section("### 3.3 Labels"))[1:]]
    constants = [value.decode() for value in vars(labels).values() if isinstance(value, bytes)]
    assert sorted(listed) == sorted(constants)


def test_statement_kinds_are_those_of_the_code() -> None:
    kinds = {
        int(row[0]): row[1]
        for row in rows(section("## 13 Signed statements"))
        if row[0].isdecimal() and len(row) == 4
    }
    assert kinds == {
        kind.value: kind.context.decode().removeprefix("qrfld-1 statement ") for kind in Kind
    }


def test_frame_types_are_those_of_the_code() -> None:
    listed = {row[1]: (int(row[0], 16), row[2]) for row in rows(section("## 8 Frames"))[1:]}
    places = {
        "C": ("control",),
        "B": ("bulk",),
        "C B": ("control", "bulk"),
        "B3 only": (),
        "S3 only": (),
    }
    assert {name: code for name, (code, _) in listed.items()} == {t.name: t for t in FrameType}
    for frame_type in FrameType:
        allowed = tuple(kind for kind in ALLOWED if frame_type in ALLOWED[kind])
        assert places[listed[frame_type.name][1]] == allowed


def test_error_codes_are_those_of_the_code() -> None:
    listed = {int(row[0]): row[1] for row in rows(section("### 10.3 Error codes"))[1:]}
    assert listed == {code.value: code.name.lower().replace("_", "-") for code in ErrorCode}


def test_suites_are_those_of_the_code() -> None:
    suite_rows = [row for row in rows(section("### 3.1 Suites")) if len(row) == 8][1:]
    assert len(suite_rows) == len(SUITES)
    for row in suite_rows:
        suite = SUITES[int(row[0])]
        assert row[1] == suite.kem
        assert row[4] == suite.signature
        sizes = (suite.kem_sizes, suite.signature_sizes)
        listed = tuple(number(row[column]) for column in (2, 3, 5, 6))
        assert listed == (
            sizes[0].public_key,
            sizes[0].ciphertext,
            sizes[1].public_key,
            sizes[1].signature,
        )
        assert row[7].split(",")[0].replace("-", "").lower() == suite.hash
    aeads = [row for row in rows(section("### 3.1 Suites")) if len(row) == 5][1:]
    assert [(int(row[0]), row[1].split(" ")[0]) for row in aeads] == [(a, a.label) for a in Aead]


@pytest.mark.parametrize("suite_id", SUITES)
def test_handshake_sizes_are_those_of_the_code(suite_id: int) -> None:
    suite = SUITES[suite_id]
    m1 = 9 + 2 * 2 + 32 + suite.kem_sizes.public_key + 32 + 2 + wire.MAC1_SIZE
    assert m1 == wire.whole_m1_size(suite)
    m2, m3 = wire.m2_size(suite), wire.sealed_size(suite)
    for size in (m1, m2, m3):
        assert re.search(rf"\*\*{size:,}\*\* (bytes )?in\s+suite {suite_id}\b", SPEC)
    held = max(wire.whole_m1_size(suite, wire.MAX_OFFERS, cookies.COOKIE_SIZE), m3)
    assert f"| {suite_id} | {held:,} | {m2:,} |" in section("## 17 Limits")
    if suite_id == 1:
        for name, size in (("M1", m1), ("M2", m2), ("M3", m3)):
            assert f"{name}  {size:,} bytes" in section("## 1 Overview")


def test_private_suites_are_those_of_the_code() -> None:
    listed = {row[0]: row[1] for row in rows(section("### 3.1 Suites")) if len(row) == 3}
    assert listed[f"{PRIVATE.start} to {PRIVATE.stop - 1}"] == "private suites"
    text = " ".join(section("### 3.1 Suites").split())
    assert f"At most {plugins.KEM_MAX_SIZE:,} bytes of encapsulation key and of ciphertext" in text
    assert f"{parameters.PUBLIC_KEY_MAX_SIZE:,} of public key" in text
    assert f"{parameters.SIGNATURE_MAX_SIZE:,} of signature" in text
    secrets = {s.kem_sizes.shared for s in SUITES.values()}
    assert secrets == {int(n) for n in re.findall(r"its shared secret has (\d+) bytes", text)}


def test_join_sizes_are_those_of_the_code() -> None:
    overview = section("## 1 Overview")
    sizes = {"B1": bulk.B1_SIZE, "B2": bulk.B2_SIZE, "B3": bulk.B3_SIZE}
    for name, size in sizes.items():
        assert f"{name}  {size} bytes" in overview


@pytest.mark.parametrize("suite_id", SUITES)
def test_resumption_sizes_are_those_of_the_code(suite_id: int) -> None:
    text, overview = " ".join(section("### 5.7 Resumption").split()), section("## 1 Overview")
    sizes = {"S1": resumption.s1_size(SUITES[suite_id]), "S2": resumption.s2_size(SUITES[suite_id])}
    for name, size in sizes.items():
        assert re.search(rf"\*\*{size:,}\*\* (bytes )?in suite {suite_id}\b", text)
        if suite_id == 1:
            assert f"{name}  {size:,} bytes" in overview
    assert f"S3  {resumption.S3_SIZE} bytes" in overview
    assert f"RESUME_CONFIRM: {resumption.S3_SIZE} bytes" in text


def test_resumption_fields_lie_where_the_code_puts_them() -> None:
    tables = section("### 5.7 Resumption")
    s1, s2 = tables.partition("| S2 |")[::2]
    kem, tail = SUITES[1].kem_sizes, resumption.MAC_SIZE
    for text, sizes, end in (
        (s1, {"K": kem.public_key}, resumption.s1_size(SUITES[1])),
        (s2, {"C": kem.ciphertext}, resumption.s2_size(SUITES[1])),
    ):
        at = 0
        for offset, size, _ in (row for row in rows(text) if row[0] not in ("S1", "S2", "size")):
            assert sum(sizes.get(term) or int(term) for term in offset.split("+")) == at
            at += sizes.get(size) or int(size)
        assert at == end
    assert tail == resumption.CONFIRMATION_SIZE == 32


def test_life_of_a_ticket_is_that_of_the_code() -> None:
    assert f"**{tickets.LIFETIME:,.0f}** seconds" in section("### 5.7 Resumption")


@pytest.mark.parametrize(
    ("what", "value"),
    [
        ("offers in M1", wire.MAX_OFFERS),
        ("cookie", cookies.COOKIE_SIZE),
        ("sealed record, control", records.MAX_CONTROL_SEALED),
        ("sealed record, bulk", records.MAX_BULK_SEALED),
        ("records under one key", records.MAX_KEY_RECORDS),
        ("bytes under one key", records.MAX_KEY_BYTES),
        ("structure of a message", MAX_MESSAGE_BYTES),
        ("message credit", credit.INITIAL_CREDIT),
        ("reason of CLOSE", frames.MAX_REASON_BYTES),
        ("data of a CHUNK", frames.MAX_CHUNK),
        ("open streams of a requester", streams.MAX_STREAMS),
        ("containers inside each other", MAX_DEPTH),
        ("tickets held (default)", tickets.MAX_PEERS),
        ("life of a ticket", tickets.LIFETIME),
        ("body of a signed statement", BODY_MAX_BYTES),
        ("envelope", SIGNED_MAX_BYTES),
    ],
)
def test_limit_is_that_of_the_code(what: str, value: int) -> None:
    listed = {row[0]: row[1] for row in rows(section("## 17 Limits"))}
    assert number(listed[what]) == value


def test_highest_stream_number_is_that_of_the_code() -> None:
    assert f"1 to {streams.MAX_STREAM:,}" in section("## 17 Limits")


def test_grant_step_is_that_of_the_code() -> None:
    assert f"by {credit.GRANT_STEP:,} or more" in section("### 9.1 Message credit")


def wire_name(message: type[Message]) -> str:
    name = message.__name__.removesuffix("Message")
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).upper()


def test_messages_are_those_of_the_code() -> None:
    listed = re.findall(r"^### Message (\d+): (\w+)$", SPEC, flags=re.MULTILINE)
    assert listed == [(str(code), wire_name(message)) for code, message in MESSAGES.items()]


@pytest.mark.parametrize("message", MESSAGES.values(), ids=wire_name)
def test_message_has_the_fields_of_the_code(message: type[Message]) -> None:
    text = section(f"### Message {message.code}: {wire_name(message)}")
    assert field_rows(text) == fields(message)


@pytest.mark.parametrize(
    ("heading", "structure"),
    [
        ("### 13.1 Genesis (kind 1)", Genesis),
        ("### 13.2 Admission certificate (kind 2)", Admission),
        ("### 13.3 Address record (kind 3)", AddressRecord),
        ("### 13.4 Run configuration (kind 16)", RunConfig),
        ("### 13.5 Update statement (kind 17)", UpdateStatement),
        ("### 13.6 Round record (kind 18)", RoundRecord),
        ("## 14 Join tokens", tokens.Token),
    ],
)
def test_structure_has_the_fields_of_the_code(heading: str, structure: type[Structure]) -> None:
    assert field_rows(section(heading)) == fields(structure)


def test_envelope_has_the_fields_of_the_code() -> None:
    envelope = [row for row in rows(section("## 13 Signed statements")) if len(row) == 3]
    assert [(int(row[0]), row[1]) for row in envelope[1:]] == fields(Signed)


@pytest.mark.parametrize("structure", [MemberEntry, UpdateEntry])
def test_entry_has_the_fields_of_the_code(structure: type[Structure]) -> None:
    pattern = r"[^;]*;\s+".join(rf"{key}\s+`{name}`" for key, name in fields(structure))
    assert re.search(pattern, SPEC)


def test_every_link_inside_leads_somewhere() -> None:
    headings = re.findall(r"^#+ (.+)$", SPEC, flags=re.MULTILINE)
    anchors = {re.sub(r"[^a-z0-9 _-]", "", h.lower()).replace(" ", "-") for h in headings}
    assert set(re.findall(r"\]\(#([^)]+)\)", SPEC)) <= anchors


def test_the_tests_that_claims_name_exist() -> None:
    directory = Path(__file__).parents[1]
    everything = "\n".join(
        path.name + "\n" + path.read_text(encoding="utf-8")
        for room in ("protocol", "crypto")
        for path in (directory / room).glob("test_*.py")
    )
    for name in re.findall(r"`(?:tests/crypto/)?(\w+)`", section("## 18 Security considerations")):
        assert name in everything, name
