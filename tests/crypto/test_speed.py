from __future__ import annotations

from qrfld.crypto import speed
from qrfld.crypto.providers import Provider
from qrfld.crypto.suites import Aead


def test_every_operation_takes_some_time(provider: Provider) -> None:
    """What it takes is the machine's affair: no bound is tested."""
    measured = speed.kem_speed(provider.kem("ML-KEM-768"))
    assert list(measured) == ["keygen", "encaps", "decaps"]
    assert all(value > 0 for value in measured.values())
    measured = speed.signature_speed(provider.signature("ML-DSA-44"))
    assert list(measured) == ["keygen", "sign", "verify"]
    assert all(value > 0 for value in measured.values())


def test_x25519_and_both_aeads_are_measured() -> None:
    assert all(value > 0 for value in speed.x25519_speed().values())
    assert all(speed.aead_speed(aead) > 0 for aead in Aead)
