"""Token buckets: how often a peer or an address may ask for something costly."""

from __future__ import annotations

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


#: Defaults of DESIGN section 6. Update submissions are bounded by the round itself (one accepted
#: per round and trainer), so the limit there counts only those that were refused.
ACCEPT = Rate(burst=64, per_second=16)
JOIN = Rate(burst=5, per_second=5 / 60)
REFUSED_UPDATES = Rate(burst=10, per_second=10 / 60)
DOWNLOADS = Rate(burst=60, per_second=60 / 60)
