from __future__ import annotations

import pytest

from qrfld.tasks.base import Context
from qrfld.tasks.digits import Digits

pytest.importorskip("torch", reason="torch not installed (extra qrfld[torch])")
pytest.importorskip("sklearn")


def test_cnn_learns_digits_with_torch() -> None:
    context = Context(0, 1, 0, 7, {"model": "cnn", "epochs": 4})
    task = Digits()
    model = task.init_model(context)
    result = task.train(model, context)
    assert sum(array.size for array in result.model.values()) == 25_290
    assert task.evaluate(result.model, context).accuracy > 0.95
