"""The baseline of the handshake: TLS 1.3 with X25519MLKEM768 and ML-DSA-65 on both sides.

By pyOpenSSL on the OpenSSL that `cryptography` brings along: the same primitives as our provider
`openssl`. Each side knows the other's self-signed certificate beforehand, so that, as with us,
nothing is verified but the peer's signature. Session tickets are of the small, stateful kind.

`TlsEnd` speaks in memory and has the surface of `qrfld.protocol.Connection` that a `Link` uses.
"""

from __future__ import annotations

import datetime
import tempfile
from dataclasses import dataclass, field
from typing import Any, cast

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import mldsa
from cryptography.x509.oid import NameOID

from qrfld.protocol.events import Event, SessionEstablished
from qrfld.protocol.session import Session

GROUP = "X25519MLKEM768"
_READ = 1 << 16


class TlsError(Exception):
    """The library negotiated something else than what is to be compared."""


@dataclass(frozen=True)
class TlsIdentity:
    """A self-signed ML-DSA-65 certificate and its key, both PEM."""

    certificate: bytes
    key: bytes = field(repr=False)

    @classmethod
    def generate(cls, name: str) -> TlsIdentity:
        """A fresh one."""
        key = mldsa.MLDSA65PrivateKey.generate()
        named = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        now, day = datetime.datetime.now(datetime.UTC), datetime.timedelta(days=1)
        certificate = (
            x509.CertificateBuilder()
            .subject_name(named)
            .issuer_name(named)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - day)
            .not_valid_after(now + day)
            .sign(key, None)
        )
        encoding = serialization.Encoding.PEM
        plain = serialization.NoEncryption()
        return cls(
            certificate.public_bytes(encoding),
            key.private_bytes(encoding, serialization.PrivateFormat.PKCS8, plain),
        )


def library() -> Any:
    """pyOpenSSL's ``SSL`` module; ImportError when it is not installed (extra ``bench``)."""
    from OpenSSL import SSL

    return SSL


def context(own: TlsIdentity, peer: TlsIdentity) -> Any:
    """A TLS 1.3 context that shows ``own`` and accepts ``peer`` alone."""
    from OpenSSL import crypto

    ssl = library()
    made = ssl.Context(ssl.TLS_METHOD)
    made.set_min_proto_version(ssl.TLS1_3_VERSION)
    # pyOpenSSL takes no ML-DSA key as an object; OpenSSL reads it from a file.
    with tempfile.NamedTemporaryFile() as file:
        file.write(own.key)
        file.flush()
        made.use_privatekey_file(file.name)
    made.use_certificate(x509.load_pem_x509_certificate(own.certificate))
    trusted = crypto.load_certificate(crypto.FILETYPE_PEM, peer.certificate)
    made.get_cert_store().add_cert(trusted)
    made.set_verify(ssl.VERIFY_PEER | ssl.VERIFY_FAIL_IF_NO_PEER_CERT)
    made.set_session_cache_mode(ssl.SESS_CACHE_OFF)
    made.set_options(ssl.OP_NO_TICKET)
    return made


class TlsEnd:
    """One side of one handshake, in memory."""

    def __init__(self, made: Any, *, initiator: bool) -> None:
        ssl = library()
        self._wants: type[Exception] = ssl.WantReadError
        self._connection = ssl.Connection(made, None)
        self.session: Session | None = None
        self._events: list[Event] = []
        if initiator:
            self._connection.set_connect_state()
            self._step()
        else:
            self._connection.set_accept_state()

    def receive_data(self, data: bytes | bytearray | memoryview) -> None:
        """Take bytes from the peer."""
        self._connection.bio_write(bytes(data))
        self._step()

    def receive_eof(self) -> None:
        """The peer has nothing more to say."""

    def data_to_send(self) -> list[bytes]:
        """What has to be written since the last call."""
        try:
            return [self._connection.bio_read(_READ)]
        except self._wants:
            return []

    def events_received(self) -> list[Event]:
        """That the handshake is over, once."""
        events, self._events = self._events, []
        return events

    def _step(self) -> None:
        if self.session is not None:
            return
        try:
            self._connection.do_handshake()
        except self._wants:
            return
        if (group := self._connection.get_group_name()) != GROUP:
            raise TlsError(f"the key exchange is {group}, not {GROUP}")
        # There is no session of ours: whoever asks wants to know whether there is one.
        self.session = cast(Session, self)
        self._events.append(SessionEstablished(self.session))
