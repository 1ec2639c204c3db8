"""``host:port`` and ``NODE-ID@host:port`` in settings, read strictly."""

from __future__ import annotations

import re

from qrfld.config.errors import ConfigValueError
from qrfld.crypto.addresses import split_address
from qrfld.crypto.errors import CertificateError

# Letters, digits, '-' and '_' in labels of at most 63 (RFC 1123 section 2.1, and what DNS serves).
_LABEL = r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
_HOST = re.compile(rf"(?=.{{1,253}}\Z){_LABEL}(?:\.{_LABEL})*\.?")


def parse_address(text: str) -> tuple[str, int]:
    """Return ``(host, port)`` of ``host:port`` or ``[IPv6]:port``; port 1 to 65535.

    What `split_address` reads, and of it only names that DNS can carry: a typing mistake is to be
    noticed here, not when a peer dials. Raises ``ConfigValueError``.
    """
    try:
        host, port = split_address(text)
    except CertificateError as error:
        raise ConfigValueError(error.message, hint=error.hint) from error
    if ":" not in host and not _HOST.fullmatch(host):
        raise ConfigValueError(
            f"{host[:80]!r} is not a host's name",
            hint="labels of letters, digits, - and _ with one dot between them",
        )
    return host, port


def parse_peer(text: str) -> tuple[str, str, int]:
    """Return ``(node id, host, port)`` of ``NODE-ID@host:port``. Raises ``ConfigValueError``.

    The node ID is only split off here; ``crypto.identity`` reads it.
    """
    node_id, separator, address = text.partition("@")
    if not separator or not re.fullmatch(r"[A-Za-z0-9 -]{1,128}", node_id):
        raise ConfigValueError(f"{text[:80]!r} is not a peer", hint='write "NODE-ID@host:port"')
    host, port = parse_address(address)
    return node_id, host, port
