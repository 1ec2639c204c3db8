from __future__ import annotations

import pytest

from qrfld.bench import tls
from qrfld.bench.tls import TlsEnd, TlsIdentity
from qrfld.protocol.events import SessionEstablished

pytest.importorskip("OpenSSL")


def pair(dialled: TlsIdentity, expected: TlsIdentity) -> tuple[TlsEnd, TlsEnd]:
    dialling = TlsIdentity.generate("dialling")
    return (
        TlsEnd(tls.context(dialling, expected), initiator=True),
        TlsEnd(tls.context(dialled, dialling), initiator=False),
    )


def shake(one: TlsEnd, other: TlsEnd) -> None:
    while said := b"".join(one.data_to_send()):
        other.receive_data(said)
        one, other = other, one


def test_both_ends_are_established_once_each() -> None:
    dialled = TlsIdentity.generate("dialled")
    ends = pair(dialled, dialled)
    shake(*ends)
    for end in ends:
        assert end.session is not None
        assert [type(event) for event in end.events_received()] == [SessionEstablished]
        assert end.events_received() == []
        end.receive_eof()


def test_another_certificate_than_expected_is_refused() -> None:
    ends = pair(TlsIdentity.generate("dialled"), TlsIdentity.generate("dialled"))
    with pytest.raises(tls.library().Error):
        shake(*ends)


def test_identity_does_not_show_its_key() -> None:
    assert "PRIVATE" not in repr(TlsIdentity.generate("x"))


def test_another_key_exchange_is_not_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tls, "GROUP", "MLKEM512")
    dialled = TlsIdentity.generate("dialled")
    with pytest.raises(tls.TlsError, match="X25519MLKEM768, not MLKEM512"):
        shake(*pair(dialled, dialled))
