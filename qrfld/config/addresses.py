"""``host:port`` and ``NODE-ID@host:port``, read strictly."""

from __future__ import annotations

import ipaddress
import re

from qrfld.config.errors import ConfigValueError

# Letters, digits, '-' and '_' in labels of at most 63 (RFC 1123 section 2.1, and what DNS serves).
_LABEL = r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
_HOST = re.compile(rf"(?=.{{1,253}}\Z){_LABEL}(?:\.{_LABEL})*\.?")


def parse_address(text: str) -> tuple[str, int]:
    """Return ``(host, port)`` of ``host:port`` or ``[IPv6]:port``; port 1 to 65535.

    Raises ``ConfigValueError``.
    """
    host, separator, port = text.rpartition(":")
    bracketed = host.startswith("[") and host.endswith("]")
    if not separator or not re.fullmatch(r"[0-9]{1,5}", port) or not 1 <= int(port) <= 65535:
        raise _wrong(text)
    if bracketed:
        try:
            return str(ipaddress.IPv6Address(host[1:-1])), int(port)
        except ValueError as error:
            raise _wrong(text) from error
    if not _HOST.fullmatch(host):
        raise _wrong(text)
    return host, int(port)


def parse_peer(text: str) -> tuple[str, str, int]:
    """Return ``(node id, host, port)`` of ``NODE-ID@host:port``. Raises ``ConfigValueError``.

    The node ID is only split off here; ``crypto.identity`` reads it.
    """
    node_id, separator, address = text.partition("@")
    if not separator or not re.fullmatch(r"[A-Za-z0-9 -]{1,128}", node_id):
        raise ConfigValueError(f"{text!r} is not a peer", hint='write "NODE-ID@host:port"')
    host, port = parse_address(address)
    return node_id, host, port


def _wrong(text: str) -> ConfigValueError:
    return ConfigValueError(
        f"{text!r} is not an address", hint='write "host:port", or "[IPv6]:port"'
    )
