"""Plugins: private suites that other distributions bring.

Theory of operation. A distribution offers a suite as an entry point of the group ``qrfld.suites``,
named by the suite's number (64 to 255) and leading to a `Suite`:

    [project.entry-points."qrfld.suites"]
    64 = "mine.suites:SUITE"

    SUITE = Suite.of(64, "ML-KEM-1024", "ML-DSA-44", "sha384", category=2)

Algorithms that qrfld does not have come from a `Provider` of the suite's own (`Suite.provider`).
Nothing is looked up before somebody asks for a private number, and nothing is imported of a plugin
but the one asked for: the number stands in the metadata. What is imported is checked once per
process: its form, its bounds (those of the statements and messages that will carry its keys), that
it names nothing classical where a post-quantum algorithm belongs, and that its algorithms do what
`Provider` says. A plugin that fails is an error that names it. Suites 1 to 4 never come here.

A plugin is code that the operator has installed, and runs with all rights of the daemon. The checks
find mistakes; they do not find malice, and they do not tell good cryptography from bad.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib import metadata
from typing import Final, get_args

from qrfld.crypto.errors import SuitePluginError, UnsupportedSuiteError
from qrfld.crypto.parameters import (
    KEMS,
    PUBLIC_KEY_MAX_SIZE,
    SIGNATURE_MAX_SIZE,
    SIGNATURES,
    KemSizes,
    SignatureSizes,
)
from qrfld.crypto.selftest import try_out
from qrfld.crypto.suites import PRIVATE, HashName, Suite

GROUP: Final = "qrfld.suites"
#: Of an encapsulation key, which a stranger may make a node hold, and of a ciphertext.
KEM_MAX_SIZE: Final = 32_768

_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9.+-]{1,31}")
_CLASSICAL: Final = re.compile(
    r"none|null|plain|stub|x25519|x448|ed25519|ed448|ec(dh|dsa|ies|kem).*|(ff)?dhe?\d*|dh(kem|ies).*"
    r"|rsa.*|dsa.*|elgamal|(nist)?[pk][-.]?\d+|(secp|sect|brainpool).*",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Offer:
    """An entry point of the group: the number (as written), and who offers it."""

    name: str
    distribution: str
    point: metadata.EntryPoint


@dataclass(frozen=True)
class _Flaw:
    """What is wrong with an offer; kept instead of the error, which carries a traceback."""

    message: str


def offers() -> list[Offer]:
    """All entry points of the group, those with impossible numbers too, in order of number."""
    return sorted(_installed(), key=lambda offer: (len(offer.name), offer.name))


def numbers() -> list[int]:
    """The private numbers that somebody offers, in ascending order."""
    return sorted({int(o.name) for o in _installed() if o.name in map(str, PRIVATE)})


def load(suite_id: int) -> Suite:
    """The private suite with this number, checked.

    UnsupportedSuiteError if no installed distribution offers it; SuitePluginError if two do, or
    what is offered does not load, is out of bounds or fails its self-test.
    """
    found = _load(suite_id)
    if isinstance(found, _Flaw):
        raise SuitePluginError(
            f"the plugin of private suite {suite_id} is refused: {found.message}",
            hint="mend or uninstall it; qrfl crypto list shows all plugins",
        )
    if found is None:
        raise UnsupportedSuiteError(
            f"private suite {suite_id} is not known here",
            hint="install the plugin that the federation uses for it; see qrfl crypto list",
        )
    return found


@cache
def _installed() -> tuple[Offer, ...]:
    points = metadata.entry_points(group=GROUP)
    return tuple(Offer(p.name, p.dist.name if p.dist else "?", p) for p in points)


@cache
def _load(suite_id: int) -> Suite | _Flaw | None:
    offered = [offer for offer in _installed() if offer.name == str(suite_id)]
    if not offered:
        return None
    if len(offered) > 1:
        who = ", ".join(sorted(offer.distribution for offer in offered))
        return _Flaw(f"several distributions offer it: {who}")
    who = offered[0].distribution
    try:
        suite = offered[0].point.load()
        if flaw := next(_flaws(suite, suite_id), None):
            return _Flaw(f"{who}: {flaw}")
        try_out(suite)
    except (Exception, SystemExit) as error:  # whatever a stranger's code may raise
        return _Flaw(f"{who}: {type(error).__name__}: {error}")
    assert isinstance(suite, Suite)  # noqa: S101 - _flaws has said so
    return suite


def _flaws(suite: object, number: int) -> Iterator[str]:
    """What is wrong with the form of a suite, most basic first."""
    if not isinstance(suite, Suite):
        yield f"the entry point leads to a {type(suite).__name__}, not to a Suite"
        return
    if type(suite.id) is not int or suite.id != number:
        yield f"it is offered as {number} but says {suite.id!r}"
    if suite.hash not in get_args(HashName):
        yield f"its hash is {suite.hash!r}, not one of {', '.join(get_args(HashName))}"
    if type(suite.category) is not int or not 1 <= suite.category <= 5:
        yield f"its security category is {suite.category!r}, not 1 to 5"
    for what, algorithm in (("KEM", suite.kem), ("signature scheme", suite.signature)):
        if not isinstance(algorithm, str) or not _NAME.fullmatch(algorithm):
            yield f"{algorithm!r} is not the name of a {what}"
        elif _CLASSICAL.fullmatch(algorithm):
            yield f"{algorithm} is not a post-quantum {what}"
    yield from _wrong_sizes(suite, suite.kem_sizes, suite.signature_sizes)


def _wrong_sizes(suite: Suite, kem: object, signature: object) -> Iterator[str]:
    if not isinstance(kem, KemSizes) or not isinstance(signature, SignatureSizes):
        yield "its lengths are not KemSizes and SignatureSizes"
        return
    if KEMS.get(suite.kem, kem) != kem or SIGNATURES.get(suite.signature, signature) != signature:
        yield "it gives other lengths to an algorithm that qrfld knows"
    for what, size, least, most in (
        ("encapsulation key", kem.public_key, 1, KEM_MAX_SIZE),
        ("ciphertext", kem.ciphertext, 1, KEM_MAX_SIZE),
        ("shared secret", kem.shared, 16, 64),
        ("public key", signature.public_key, 1, PUBLIC_KEY_MAX_SIZE),
        ("signature", signature.signature, 1, SIGNATURE_MAX_SIZE),
    ):
        if type(size) is not int or not least <= size <= most:
            yield f"its {what} has {size!r} bytes, not {least} to {most:,}"
