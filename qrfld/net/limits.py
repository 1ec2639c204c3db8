"""Token buckets: how often a peer or an address may ask for something costly."""

from __future__ import annotations

import ipaddress
from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass


@dataclass(frozen=True)
class Rate:
    """``burst`` requests at once, refilled at ``per_second``."""

    burst: float
    per_second: float


class RateLimiter:
    """One token bucket a key; the least recently seen keys are forgotten beyond ``max_keys``.

    Forgetting a key gives it a full bucket again, so ``max_keys`` bounds memory, not safety: an
    attacker with more addresses than that has more buckets anyway.
    """

    def __init__(self, rate: Rate, *, max_keys: int = 4096) -> None:
        self._rate = rate
        self._max_keys = max_keys
        self._buckets: OrderedDict[Hashable, tuple[float, float]] = OrderedDict()

    def left(self, key: Hashable, now: float) -> bool:
        """Whether the key's bucket holds a token; takes none."""
        tokens, last = self._buckets.get(key, (self._rate.burst, now))
        return tokens + (now - last) * self._rate.per_second >= 1.0

    def allow(self, key: Hashable, now: float) -> bool:
        """Take one token from the key's bucket; False when it is empty. ``now`` is monotonic s."""
        tokens, last = self._buckets.pop(key, (self._rate.burst, now))
        tokens = min(self._rate.burst, tokens + (now - last) * self._rate.per_second)
        allowed = tokens >= 1.0
        self._buckets[key] = (tokens - 1.0 if allowed else tokens, now)
        if len(self._buckets) > self._max_keys:
            self._buckets.popitem(last=False)
        return allowed


def origin(address: str) -> str:
    """Whose bucket ``host:port`` draws from: the IPv4 host, or the /64 network of an IPv6 one.

    Anybody with one IPv6 address has the 2^64 of its network.
    """
    host = address.rpartition(":")[0].strip("[]").partition("%")[0]
    try:
        known = ipaddress.ip_address(host)
    except ValueError:
        return host
    if known.version == 4:
        return host
    return str(ipaddress.ip_network((known, 64), strict=False))


#: What one peer or address may ask for. Update submissions are bounded by the round itself (one
#: accepted per round and trainer), so the limit there counts only those that were refused. So does
#: the limit on joins: a whole site may join from one address, each node with its own token.
ACCEPT = Rate(burst=64, per_second=16)
#: Handshakes that may begin without a cookie, of everybody together: as many as one address may
#: begin. An answer costs much more than a cookie, and who leaves at once does not bring one back.
EAGER = ACCEPT
REFUSED_JOINS = Rate(burst=5, per_second=5 / 60)
REFUSED_UPDATES = Rate(burst=10, per_second=10 / 60)
#: How often one member gets the same blob. Each is wanted once, or again after a broken transfer;
#: a run of quick rounds asks for many different ones.
DOWNLOADS = Rate(burst=12, per_second=12 / 60)
#: Runs that one member may offer; each is remembered.
OFFERS = Rate(burst=60, per_second=1 / 60)
#: How often one member may ask for a blob that is not here.
MISSES = Rate(burst=60, per_second=1)
#: Messages of a member that made no sense: beyond this its session is closed.
OFFENCES = Rate(burst=60, per_second=1)
#: Digests answered to one member, and address records taken from one; sessions end rarely, and
#: addresses change rarely, but each costs a reader or everybody something.
DIGESTS = Rate(burst=4, per_second=4 / 60)
RECORDS = Rate(burst=8, per_second=2 / 60)
#: Log lines about callers who never got through a handshake.
COMPLAINTS = Rate(burst=20, per_second=1)
