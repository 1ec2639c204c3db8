"""Private suites: found by their number, imported when asked for, refused by name when broken."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from toy_suites import TOY_SOURCE, forget, install, install_toy

from qrfld.crypto import plugins, suites
from qrfld.crypto.errors import SuitePluginError, UnsupportedSuiteError
from qrfld.crypto.identity import Identity, PublicIdentity
from qrfld.crypto.providers import provider_for

GOOD = 'Suite.of(64, "ML-KEM-1024", "ML-DSA-44", "sha512", category=2)'
FORM = """
from dataclasses import replace
from qrfld.crypto.parameters import KemSizes, SignatureSizes
from qrfld.crypto.suites import Suite
GOOD = {good}
SUITE = {suite}
"""


def refusal(site: Path, suite: str, *, number: str = "n64", name: str = "broken") -> str:
    """Why the plugin that offers ``suite``, Python text, is refused."""
    install(site, name, FORM.format(good=GOOD, suite=suite), **{number: "SUITE"})
    forget()
    with pytest.raises(SuitePluginError) as caught:
        suites.suite(int(number[1:]))
    assert name in caught.value.message
    assert caught.value.name == "suite-plugin"
    assert provider_for(1).kem("ML-KEM-768")
    assert provider_for(2).kem("ML-KEM-1024")
    return caught.value.message


def test_installed_suite_is_known_by_its_number(site: Path) -> None:
    install_toy(site)
    toy = suites.suite(64)
    assert toy.name == "X25519+ML-KEM-1024 / ML-DSA-44"
    assert suites.from_wire(0x0240) == (toy, suites.Aead.CHACHA20_POLY1305)
    assert suites.known(64)
    assert plugins.numbers() == [64]
    identity = Identity.generate(64)
    public = PublicIdentity(64, identity.public_key)
    public.verify(b"message", identity.sign(b"message", b"context"), b"context")


def test_number_that_nobody_offers_is_not_known(site: Path) -> None:
    install_toy(site)
    with pytest.raises(UnsupportedSuiteError, match="private suite 65 is not known here") as caught:
        suites.suite(65)
    assert not isinstance(caught.value, SuitePluginError)
    assert "install the plugin" in caught.value.hint
    assert not suites.known(65)


def test_plugin_is_not_imported_before_its_number_is_asked_for(site: Path) -> None:
    install_toy(site)
    install(site, "loud", "raise RuntimeError('imported')", n66="SUITE")
    suites.suite(1)
    suites.known(65)
    assert [offer.name for offer in plugins.offers()] == ["64", "66"]
    assert "toy_suite" not in sys.modules
    suites.suite(64)
    assert "toy_suite" in sys.modules


def test_suites_of_the_specification_never_look_at_plugins(tmp_path: Path) -> None:
    install_toy(tmp_path)
    script = (
        "import sys, qrfld.cli.app\n"
        "from qrfld.crypto import suites\n"
        "from qrfld.crypto.identity import Identity\n"
        "Identity.generate(1)\n"
        "for number in (0, 1, 2, 3, 4, 5, 63, 256): suites.known(number)\n"
        "assert 'qrfld.crypto.plugins' not in sys.modules\n"
        "suites.suite(64)\n"
        "assert 'qrfld.crypto.plugins' in sys.modules\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={"PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("name", ["3", "1", "63", "256", "064", "sixty-five", "-64"])
def test_offer_outside_the_private_range_is_listed_and_never_used(site: Path, name: str) -> None:
    install(site, "greedy", TOY_SOURCE, **{f"n{name}": "SUITE"})
    assert [offer.name for offer in plugins.offers()] == [name]
    assert plugins.numbers() == []
    assert suites.suite(3).kem == "ML-KEM-512"
    assert "greedy" not in sys.modules


def test_number_offered_by_two_distributions_is_refused_and_neither_imported(site: Path) -> None:
    install_toy(site)
    install(site, "rival", TOY_SOURCE, n64="SUITE")
    with pytest.raises(SuitePluginError, match="several distributions offer it: rival, toy_suite"):
        suites.suite(64)
    assert not {"rival", "toy_suite"} & sys.modules.keys()


@pytest.mark.parametrize(
    "body",
    ["raise RuntimeError('boom')", "import no_such_module", "raise SystemExit(3)", "x = (", ""],
)
def test_plugin_that_does_not_import_is_refused_by_name(site: Path, body: str) -> None:
    install(site, "broken", body, n64="SUITE")
    for _ in range(2):
        with pytest.raises(SuitePluginError, match="private suite 64 is refused: broken: "):
            suites.suite(64)
    assert not suites.known(64)
    assert Identity.generate(1)


@pytest.mark.parametrize(
    ("suite", "why"),
    [
        ("None", "NoneType, not to a Suite"),
        ("Suite", "leads to a type"),
        ("replace(GOOD, id=65)", "offered as 64 but says 65"),
        ("replace(GOOD, id=64.0)", "says 64.0"),
        ("replace(GOOD, hash='md5')", "hash is 'md5'"),
        ("replace(GOOD, category=0)", "category is 0"),
        ("replace(GOOD, category=True)", "category is True"),
        ("replace(GOOD, kem='')", "not the name of a KEM"),
        ("replace(GOOD, kem=None)", "not the name of a KEM"),
        ("replace(GOOD, signature='\\x1b[2J')", "not the name of a signature scheme"),
        ("replace(GOOD, signature='ML-DSA-44\\n')", "not the name of a signature scheme"),
        ("replace(GOOD, kem_sizes=(1568, 1568))", "lengths are not"),
        ("replace(GOOD, signature_sizes=KemSizes(1, 1))", "lengths are not"),
        ("replace(GOOD, kem_sizes=KemSizes(1568, 1569))", "other lengths"),
        ("replace(GOOD, signature_sizes=SignatureSizes(1952, 3309))", "other lengths"),
        ("replace(GOOD, kem='New', kem_sizes=KemSizes(40000, 1))", "encapsulation key has 40000"),
        ("replace(GOOD, kem='New', kem_sizes=KemSizes(1, 0))", "ciphertext has 0"),
        ("replace(GOOD, kem='New', kem_sizes=KemSizes(1, 1, 15))", "shared secret has 15"),
        ("replace(GOOD, kem='New', kem_sizes=KemSizes(True, 1))", "key has True"),
        ("replace(GOOD, signature='New', signature_sizes=SignatureSizes(9999, 1))", "key has 9999"),
        ("replace(GOOD, signature='New', signature_sizes=SignatureSizes(1, 5001))", "has 5001"),
        ("replace(GOOD, kem='Unheard-Of', kem_sizes=KemSizes(9, 9))", "no provider for Unheard-Of"),
    ],
)
def test_plugin_of_a_wrong_form_is_refused(site: Path, suite: str, why: str) -> None:
    assert why in refusal(site, suite)


@pytest.mark.parametrize(
    "kem", ["X25519", "x448", "ECDH-P256", "P-256", "RSA-KEM", "DHKEM", "ffdhe3072", "none", "null"]
)
def test_plugin_without_a_post_quantum_kem_is_refused(site: Path, kem: str) -> None:
    suite = f"replace(GOOD, kem={kem!r}, kem_sizes=KemSizes(32, 32))"
    assert f"{kem} is not a post-quantum KEM" in refusal(site, suite)


@pytest.mark.parametrize("name", ["Ed25519", "ed448", "ECDSA-P384", "RSA-PSS", "DSA", "secp256k1"])
def test_plugin_without_a_post_quantum_signature_is_refused(site: Path, name: str) -> None:
    suite = f"replace(GOOD, signature={name!r}, signature_sizes=SignatureSizes(32, 64))"
    assert f"{name} is not a post-quantum signature scheme" in refusal(site, suite)


@pytest.mark.parametrize(
    "name",
    ["ML-KEM-512", "ML-DSA-44", "HQC-1", "FrodoKEM-976-SHAKE", "SLH-DSA-SHA2-128s", "Kyber768",
     "Classic-McEliece-348864", "Falcon-512", "sntrup761", "X-Wing", "MAYO-2", "CROSS-rsdp-128"],
)  # fmt: skip
def test_post_quantum_name_is_not_taken_for_a_classical_one(name: str) -> None:
    assert not plugins._CLASSICAL.fullmatch(name)


def test_plugin_whose_own_provider_lies_is_refused(site: Path) -> None:
    install(site, "faker", FAKER, n70="SUITE")
    with pytest.raises(SuitePluginError, match=r"faker: .*the KEM makes the same secret twice"):
        suites.suite(70)


def test_plugin_whose_own_provider_is_missing_is_refused(site: Path) -> None:
    absent = FAKER + "\ndef absent():\n    raise OSError('libfake.so: not found')\n"
    install(site, "faker", absent + "SUITE = replace(SUITE, provider=absent)\n", n70="SUITE")
    with pytest.raises(SuitePluginError, match=r"faker: OSError: libfake.so: not found"):
        suites.suite(70)


FAKER = """
from dataclasses import replace
from qrfld.crypto.parameters import KemSizes
from qrfld.crypto.suites import Suite

class Pair:
    public = bytes(9)
    def decapsulate(self, ciphertext):
        return bytes(32)

class Kem:
    public_key_size, ciphertext_size, shared_size = 9, 9, 32
    made = 0
    def keypair(self, seed=None):
        Kem.made += 1
        pair = Pair()
        pair.public = Kem.made.to_bytes(9)
        return pair
    def encapsulate(self, public_key):
        return bytes(9), bytes(32)

class Faker:
    name = "faker"
    def kem(self, name):
        return Kem()

SUITE = replace(Suite.of(70, "ML-KEM-1024", "ML-DSA-44", "sha512", category=2),
                kem="Fake-KEM", kem_sizes=KemSizes(9, 9), provider=Faker)
"""
