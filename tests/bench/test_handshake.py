from __future__ import annotations

import json

import pytest

from qrfld.bench import handshake
from qrfld.bench.contenders import TLS


def test_measurement_has_its_shape() -> None:
    pytest.importorskip("OpenSSL")
    result = handshake.measure(0.02, 1, "openssl")
    found = json.loads(json.dumps(result.as_json()))
    tls, ours, resumed = found["contenders"]
    assert tls["name"] == TLS
    assert tls["memory_to_tls"] == tls["sockets_to_tls"] == tls["bytes_to_tls"] == 1.0
    assert ours["bytes"] == 12_991
    assert all(value > 0 for key, value in ours.items() if key != "name")
    assert resumed["name"] == f"{ours['name']}, resumed"
    assert resumed["bytes"] == 1_301 + 1_184 + 21
    (refusing,) = found["refusals"]
    assert refusing["wrong_mac1_us"] < refusing["serving_us"]
    met = {goal["what"]: goal["met"] for goal in found["goals"]}
    assert met["bytes, to TLS"] is met["bytes of a resumption"] is True
    assert met["CPU in memory, liboqs, to TLS"] is None
    assert ours["name"] in result.as_text()
    assert "12,991" in result.as_text()


def test_without_the_baseline_its_figures_are_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(handshake, "baseline", lambda: None)
    result = handshake.measure(0.02, 2, "openssl")
    ours, _ = result.as_json()["contenders"]  # type: ignore[misc]
    assert ours["memory_to_tls"] is None
    assert handshake.NO_TLS in result.as_text()
    assert "not measured" in result.as_text()  # no goal is about suite 2
