"""Token buckets and whose they are."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qrfld.net.limits import Rate, RateLimiter, origin


def test_bucket_gives_its_burst_and_then_its_rate() -> None:
    limiter = RateLimiter(Rate(burst=3, per_second=0.5))
    assert [limiter.allow("a", 0.0) for _ in range(4)] == [True, True, True, False]
    assert not limiter.allow("a", 1.9)
    assert limiter.allow("a", 2.0)
    assert not limiter.allow("a", 2.1)
    assert limiter.allow("b", 2.1)


def test_left_takes_nothing() -> None:
    limiter = RateLimiter(Rate(burst=1, per_second=1))
    assert all(limiter.left("a", 0.0) for _ in range(5))
    assert limiter.allow("a", 0.0)
    assert not limiter.left("a", 0.5)
    assert limiter.left("a", 1.0)


@given(
    burst=st.integers(1, 20),
    rate=st.floats(0, 10),
    steps=st.lists(st.floats(0, 5), max_size=100),
)
def test_bucket_never_gives_more_than_burst_and_rate(
    burst: int, rate: float, steps: list[float]
) -> None:
    limiter = RateLimiter(Rate(burst=burst, per_second=rate))
    now, allowed = 0.0, 0
    for step in steps:
        now += step
        could = limiter.left("a", now)
        assert limiter.allow("a", now) == could
        allowed += could
        assert allowed <= burst + rate * now + 1e-6


def test_keys_beyond_the_most_are_forgotten_oldest_first() -> None:
    limiter = RateLimiter(Rate(burst=1, per_second=0), max_keys=100)
    for key in range(10_000):
        assert limiter.allow(key, 0.0)
    assert len(limiter._buckets) == 100
    assert not limiter.allow(9_999, 0.0)
    assert limiter.allow(0, 0.0)


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("192.0.2.1:7483", "192.0.2.1"),
        ("[2001:db8:1:2:3:4:5:6]:7483", "2001:db8:1:2::/64"),
        ("[2001:db8:1:2::1]:1", "2001:db8:1:2::/64"),
        ("[fe80::1%eth0]:1", "fe80::/64"),
        ("[::1]:80", "::/64"),
        ("unknown", ""),
        ("host.example:7483", "host.example"),
    ],
)
def test_origin_is_a_host_or_its_ipv6_network(address: str, expected: str) -> None:
    assert origin(address) == expected
