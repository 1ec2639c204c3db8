"""`qrfl crypto list`: which suites this machine can speak, by whom, how large and how fast."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Annotated, Any, Final, TypeVar

import typer

from qrfld.cli import text
from qrfld.cli.session import current

if TYPE_CHECKING:
    from qrfld.crypto.providers import Provider
    from qrfld.crypto.suites import Suite

Row = dict[str, Any]
_Algorithm = TypeVar("_Algorithm")

_HEAD: Final = ("suite", "algorithms", "hash", "category", "by", "M1", "M2", "M3")
_SPEED_HEAD: Final = ("algorithm", "by", "key B", "ct/sig B", "keygen", "encaps/sign", "decaps/ver")


def list_suites(
    measure: Annotated[
        bool, typer.Option("--measure/--no-measure", help="Measure the speed of each algorithm.")
    ] = True,
) -> None:
    """List the cryptographic suites: whether this machine has them, sizes, and measured speed.

    Private suites of installed plugins too. Times are medians in microseconds, of one thread.
    """
    suites, refused = _all_suites()
    answer: dict[str, Any] = {
        "machine": _machine(),
        "providers": _providers(),
        "suites": [_describe(suite) for suite in suites],
        "refused": refused,
        "algorithms": _algorithms(suites, measure=measure),
    }
    if measure:
        answer |= _measured_beside()
    current().show(answer, text.lines(_shown(answer)))


def _all_suites() -> tuple[list[Suite], list[Row]]:
    """The suites that are known here, and the offers of plugins that are refused, with reasons."""
    from qrfld.crypto import plugins
    from qrfld.crypto.errors import UnsupportedSuiteError
    from qrfld.crypto.suites import SUITES, suite

    found, refused = list(SUITES.values()), list[Row]()
    for number in plugins.numbers():
        try:
            found.append(suite(number))
        except UnsupportedSuiteError as error:
            refused.append({"number": str(number), "reason": error.message})
    usable = {str(number) for number in plugins.numbers()}
    for offer in plugins.offers():
        if offer.name not in usable:
            reason = f"{offer.distribution}: private suites have numbers from 64 to 255"
            refused.append({"number": offer.name, "reason": reason})
    return found, refused


def _providers() -> list[Row]:
    from qrfld.crypto import providers

    return [
        {"name": name, "available": not reason, "reason": reason}
        for name in providers.BUILT_IN
        for reason in (providers.absence(name),)
    ]


def _describe(suite: Suite) -> Row:
    from qrfld.crypto import providers
    from qrfld.crypto.errors import CryptoError
    from qrfld.protocol import wire

    by, reason, hint = "", "", ""
    try:
        by = providers.serve(suite).name
    except CryptoError as error:
        reason, hint = error.message, error.hint
    kem, signature = suite.kem_sizes, suite.signature_sizes
    return {
        "id": suite.id,
        "name": suite.name,
        "kem": suite.kem,
        "signature": suite.signature,
        "hash": suite.hash,
        "category": suite.category,
        "available": bool(by),
        "provider": by,
        "reason": reason,
        "hint": hint,
        "sizes": {
            "encapsulation_key": kem.public_key,
            "ciphertext": kem.ciphertext,
            "shared_secret": kem.shared,
            "public_key": signature.public_key,
            "signature": signature.signature,
            "m1": wire.whole_m1_size(suite),
            "m2": wire.m2_size(suite),
            "m3": wire.sealed_size(suite),
        },
    }


def _algorithms(suites: Iterable[Suite], *, measure: bool) -> list[Row]:
    """One row for each post-quantum algorithm and provider: there or not, lengths, speed."""
    from qrfld.crypto import speed

    suites, rows = list(suites), list[Row]()
    for name, suite in {s.kem: s for s in suites}.items():
        sizes = {"key": suite.kem_sizes.public_key, "ciphertext": suite.kem_sizes.ciphertext}
        how = speed.kem_speed if measure else None
        rows += (_row(name, by, sizes, by.kem, how) for by in _who(suite, "kem_provider"))
    for name, suite in {s.signature: s for s in suites}.items():
        lengths = suite.signature_sizes
        sizes = {"key": lengths.public_key, "signature": lengths.signature}
        sign = speed.signature_speed if measure else None
        who = _who(suite, "signature_provider")
        rows += (_row(name, by, sizes, by.signature, sign) for by in who)
    return rows


def _who(suite: Suite, half: str) -> list[Provider]:
    """Everybody who may have half of a suite: the built-in providers, and the suite's own."""
    from qrfld.crypto import providers
    from qrfld.crypto.errors import CryptoError

    found = [providers.load(name) for name in providers.available()]
    try:
        chosen: Provider = getattr(providers.serve(suite), half)
    except CryptoError:
        return found
    return found if chosen in found else [*found, chosen]


def _row(
    algorithm: str,
    by: Provider,
    sizes: Row,
    get: Callable[[str], _Algorithm],
    measure: Callable[[_Algorithm], dict[str, float]] | None,
) -> Row:
    from qrfld.crypto.errors import UnsupportedSuiteError

    named = {"algorithm": algorithm, "provider": by.name}
    row: Row = {**named, "available": True, "reason": "", **sizes}
    try:
        found = get(algorithm)
    except UnsupportedSuiteError as error:
        return {**row, "available": False, "reason": error.message}
    return {**row, "microseconds": measure(found)} if measure else row


def _measured_beside() -> Row:
    from qrfld.crypto import speed
    from qrfld.crypto.aead import preferred_aead
    from qrfld.crypto.suites import Aead

    return {
        "x25519": {"microseconds": speed.x25519_speed()},
        "aeads": [
            {
                "name": aead.label,
                "mb_per_second": speed.aead_speed(aead),
                "preferred": aead is preferred_aead(),
            }
            for aead in Aead
        ],
    }


def _machine() -> Row:
    from cryptography.hazmat.backends.openssl import backend

    return {
        "architecture": platform.machine(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "openssl": backend.openssl_version_text(),
        "liboqs": _liboqs_version(),
    }


def _liboqs_version() -> str | None:
    from qrfld.crypto import providers
    from qrfld.crypto.providers.native import bring_up

    return None if providers.absence("liboqs") else str(bring_up().oqs_version())


def _shown(answer: Row) -> list[str]:
    rows = [_suite_cells(row) for row in answer["suites"]]
    lines = text.table(_HEAD, rows).splitlines()
    for row in answer["suites"]:
        if not row["available"]:
            lines += [f"suite {row['id']} is unavailable: {row['reason']}"]
    lines += [f"offer of {row['number']} is refused: {row['reason']}" for row in answer["refused"]]
    cells = [_speed_cells(row) for row in answer["algorithms"] if row["available"]]
    lines += ["", *text.table(_SPEED_HEAD, cells).splitlines()]
    if "x25519" in answer:
        times = answer["x25519"]["microseconds"]
        lines.append(
            f"X25519: keygen {times['keygen']:.0f} µs, exchange {times['exchange']:.0f} µs"
        )
        for aead in answer["aeads"]:
            mark = ", preferred here" if aead["preferred"] else ""
            lines.append(f"{aead['name']}: {aead['mb_per_second']:,.0f} MB/s{mark}")
    return [*lines, _machine_line(answer["machine"])]


def _suite_cells(row: Row) -> tuple[object, ...]:
    sizes = row["sizes"]
    by = row["provider"] or "unavailable"
    messages = (f"{sizes[name]:,}" for name in ("m1", "m2", "m3"))
    return row["id"], row["name"], row["hash"], row["category"], by, *messages


def _speed_cells(row: Row) -> tuple[object, ...]:
    out = row.get("ciphertext") or row.get("signature")
    times = row.get("microseconds", {}).values()
    return (
        row["algorithm"],
        row["provider"],
        f"{row['key']:,}",
        f"{out:,}",
        *([f"{value:,.0f} µs" for value in times] or ["-"] * 3),
    )


def _machine_line(machine: Row) -> str:
    liboqs = f"liboqs {machine['liboqs']}" if machine["liboqs"] else "no liboqs"
    return (
        f"{machine['architecture']}, {machine['cores']} cores, Python {machine['python']}, "
        f"{machine['openssl']}, {liboqs}"
    )
