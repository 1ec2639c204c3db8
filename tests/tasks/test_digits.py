from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping

import numpy as np
import pytest

from qrfld.tasks.base import Context, Parameter
from qrfld.tasks.digits import Digits
from qrfld.tasks.errors import TaskDataError, TaskParameterError

pytest.importorskip("sklearn")


def context(index: int = 0, nodes: int = 5, **params: Parameter) -> Context:
    return Context(index=index, nodes=nodes, round=0, seed=7, params=params)


@pytest.mark.parametrize("model", ["fourier", "softmax", "mlp"])
def test_training_alone_on_everything_learns_digits(model: str) -> None:
    task, alone = Digits(), context(nodes=1, model=model, partition="iid", epochs=8)
    fresh = task.init_model(alone)
    shapes = {name: array.shape for name, array in fresh.items()}
    before = task.evaluate(fresh, alone)
    result = task.train(fresh, alone)
    after = task.evaluate(result.model, alone)
    assert before.accuracy < 0.3
    assert after.accuracy > 0.93
    assert (result.samples, after.samples) == (1438, 359)
    assert 0 < result.loss < 0.3
    assert after.loss < before.loss
    assert {name: array.shape for name, array in result.model.items()} == shapes
    assert all(array.dtype == np.float32 for array in result.model.values())


def test_parts_of_all_nodes_are_disjoint_and_complete() -> None:
    task = Digits()
    model = task.init_model(context())
    held = [task.evaluate(model, context(index)).samples for index in range(5)]
    trained = [task.train(model, context(index, epochs=1)).samples for index in range(5)]
    assert sum(held) + sum(trained) == 1797
    assert min(trained) >= 32


@pytest.mark.parametrize("partition", ["iid", "dirichlet"])
def test_many_nodes_all_get_something(partition: str) -> None:
    task = Digits()
    shown = context(299, nodes=300, partition=partition, alpha=0.01, epochs=1)
    model = task.init_model(shown)
    assert task.evaluate(model, shown).samples >= 1
    assert task.train(model, shown).samples >= 4


def test_same_seed_trains_the_same_model() -> None:
    models = []
    for _ in range(2):
        task = Digits()
        models.append(task.train(task.init_model(context()), context()).model)
    assert all(np.array_equal(models[0][name], models[1][name]) for name in models[0])


def test_unknown_parameter_is_refused() -> None:
    with pytest.raises(TaskParameterError, match="did you mean 'alpha'"):
        Digits().init_model(context(alpa=0.5))


def test_parameter_out_of_range_is_refused() -> None:
    with pytest.raises(TaskParameterError, match="epochs = 0"):
        Digits().init_model(context(epochs=0))


def blocked(package: str, params: Mapping[str, Parameter]) -> subprocess.CompletedProcess[str]:
    """Run the task in a process of its own in which ``package`` cannot be imported."""
    script = f"""
import sys
class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == {package!r}:
            raise ImportError(f"{{name}} is blocked")
sys.meta_path.insert(0, Blocked())
from qrfld.tasks.base import Context
from qrfld.tasks.digits import Digits
task, context = Digits(), Context(0, 2, 0, 1, {dict(params)!r})
task.evaluate(task.init_model(context), context)
"""
    return subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize(
    ("package", "params", "extra"),
    [("sklearn", {}, "qrfld[data]"), ("torch", {"model": "cnn"}, "qrfld[torch]")],
)
def test_missing_package_says_which_extra_to_install(
    package: str, params: dict[str, Parameter], extra: str
) -> None:
    result = blocked(package, params)
    last = result.stderr.strip().splitlines()[-1]
    assert TaskDataError.__name__ in last
    assert f"pip install '{extra}'" in last


def test_torch_is_not_needed_unless_asked_for() -> None:
    assert blocked("torch", {"model": "mlp"}).returncode == 0
