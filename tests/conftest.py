"""Settings of the whole suite."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

# No test measures time: a busy machine must not fail a property.
settings.register_profile("suite", deadline=None, suppress_health_check=[HealthCheck.too_slow])
# Many more examples, by hand: make test TEST_FLAGS=--hypothesis-profile=deep
settings.register_profile("deep", settings.get_profile("suite"), max_examples=3000)
settings.load_profile("suite")
