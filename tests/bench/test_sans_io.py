from __future__ import annotations

import pytest

from qrfld.bench.contenders import Ours
from qrfld.bench.sans_io import refuse, serve, shake


def test_handshake_counts_both_sides() -> None:
    shaken = shake(Ours.generate(1, "openssl").prepare())
    assert (shaken.bytes_sent, shaken.bytes_received, shaken.late) == (1_279 + 5_279, 6_433, 0)
    assert shaken.cpu == shaken.dialling + shaken.dialled > 0


def test_refusing_is_of_what_is_refused() -> None:
    contender = Ours.generate(1, "openssl").prepare()
    m1 = b"".join(contender.dial().data_to_send())
    serve(contender, m1)
    refuse(contender, bytes(5))
    with pytest.raises(AssertionError, match="not refused"):
        refuse(contender, m1)
