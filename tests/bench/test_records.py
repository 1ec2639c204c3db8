from __future__ import annotations

import json

from qrfld.bench import records


def test_measurement_has_its_shape() -> None:
    result = records.measure(0.02, sizes=[4096])
    rows = json.loads(json.dumps(result.as_json()))["rows"]
    assert [row["channel"] for row in rows] == ["raw socket", "AES-256-GCM", "ChaCha20-Poly1305"]
    raw, *sealed = rows
    assert raw["to_raw"] == 1.0
    assert raw["aead_sealing_cpu_s_per_gb"] is None
    for row in sealed:
        assert row["record_bytes"] == 4096
        assert all(value > 0 for key, value in row.items() if key != "channel")
    assert "AES-256-GCM" in result.as_text()
