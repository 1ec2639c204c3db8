from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from task_files import task_file

from qrfld.protocol.tensors import decode, encode
from qrfld.tasks.base import Context
from qrfld.tasks.errors import TaskDataError, TaskFailedError, TaskResultError
from qrfld.tasks.execution import Execution
from qrfld.tasks.jobs import Evaluate, Evaluated, Init, Initialised, Train, Trained

CONTEXT = Context(2, 5, 0, 1)
BASE = {"w": np.ones((3, 2), np.float32), "b": np.full(2, 4, np.float32)}


@pytest.fixture
def base(tmp_path: Path) -> Path:
    path = tmp_path / "base"
    path.write_bytes(b"".join(encode(BASE)))
    return path


def train(tmp_path: Path, base: Path, body: str = "pass", **extra: object) -> Path:
    output = tmp_path / "update"
    job = Train(CONTEXT, str(base), str(output), **extra)  # type: ignore[arg-type]
    result = Execution(task_file(tmp_path, body)).perform(job)
    assert result == Trained(12, 1.5)
    return output


def returning(expression: str, method: str = "train", prepare: str = "pass") -> str:
    arguments = "context" if method == "init_model" else "model, context"
    return f"def {method}(self, {arguments}):\n    {prepare}\n    return {expression}"


def test_init_writes_the_tasks_model(tmp_path: Path) -> None:
    output = tmp_path / "model"
    result = Execution(task_file(tmp_path)).perform(Init(CONTEXT, str(output)))
    model = decode(output.read_bytes())
    assert result == Initialised()
    assert list(model) == ["w", "b"]
    assert model["w"].shape == (3, 2)
    assert output.stat().st_mode & 0o777 == 0o600


def test_train_writes_the_difference(tmp_path: Path, base: Path) -> None:
    update = decode(train(tmp_path, base).read_bytes())
    assert np.array_equal(update["w"], np.full((3, 2), 0.5))
    assert np.array_equal(update["b"], np.full(2, -0.25))
    assert not list(tmp_path.glob("*.part"))


def test_train_keeps_the_models_order_of_arrays(tmp_path: Path, base: Path) -> None:
    swapped = returning("Training({'b': model['b'], 'w': model['w'] + np.float32(1)}, 12, 1.5)")
    update = decode(train(tmp_path, base, swapped).read_bytes())
    assert list(update) == ["w", "b"]
    assert np.array_equal(update["w"], np.ones((3, 2)))


def test_train_of_an_attacker_writes_the_attack(tmp_path: Path, base: Path) -> None:
    output = train(tmp_path, base, attack="sign-flip", attack_scale=4.0)
    update = decode(output.read_bytes())
    assert np.array_equal(update["w"], np.full((3, 2), -2.0))


def test_train_of_a_nan_attacker_writes_nan(tmp_path: Path, base: Path) -> None:
    update = decode(train(tmp_path, base, attack="nan").read_bytes())
    assert np.isnan(update["b"]).all()


def test_evaluate_returns_the_scores(tmp_path: Path, base: Path) -> None:
    job = Evaluate(CONTEXT, str(base))
    assert Execution(task_file(tmp_path)).perform(job) == Evaluated(0.75, 0.5, 20)


def test_task_is_kept_between_jobs(tmp_path: Path, base: Path) -> None:
    counting = "def evaluate(self, model, context):\n    return Scores(self.calls / 4, 0, 1)"
    execution = Execution(task_file(tmp_path, counting))
    for number in range(2):
        execution.perform(Train(CONTEXT, str(base), str(tmp_path / f"update{number}")))
    assert execution.perform(Evaluate(CONTEXT, str(base))) == Evaluated(0.5, 0, 1)


W, B = "'w': model['w']", "'b': model['b']"


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("None", "train returned NoneType, not Training"),
        ("(model, 1, 1.0)", "train returned tuple"),
        ("Training(None, 1, 1.0)", "train returned NoneType, not dict"),
        (f"Training({{{W}}}, 1, 1.0)", r"arrays \['w'\]"),
        (f"Training({{{W}, {B}, 'c': model['b']}}, 1, 1.0)", r"arrays \['b', 'c', 'w'\]"),
        (f"Training({{{W}, {B}, 3: model['b']}}, 1, 1.0)", r"arrays \['3', 'b', 'w'\]"),
        (f"Training({{'w': model['w'][:2], {B}}}, 1, 1.0)", r"'w' has shape \(2, 2\)"),
        (f"Training({{'w': model['w'].T, {B}}}, 1, 1.0)", r"'w' has shape \(2, 3\)"),
        (f"Training({{'w': model['w'].astype('f8'), {B}}}, 1, 1.0)", "'w' is float64"),
        (f"Training({{'w': model['w'].astype('i4'), {B}}}, 1, 1.0)", "'w' is int32"),
        (f"Training({{'w': model['w'].tolist(), {B}}}, 1, 1.0)", "'w' is list"),
        (f"Training({{'w': model['w'] * np.float32('nan'), {B}}}, 1, 1.0)", "'w' holds NaN"),
        (f"Training({{'w': model['w'] / np.float32(0), {B}}}, 1, 1.0)", "'w' holds NaN or inf"),
        ("Training(model, 0, 1.0)", "samples 0"),
        ("Training(model, -3, 1.0)", "samples -3"),
        ("Training(model, 2**32, 1.0)", "samples 4294967296"),
        ("Training(model, 1.5, 1.0)", r"samples 1\.5"),
        ("Training(model, 1, float('nan'))", "loss nan"),
        ("Training(model, 1, 'low')", "loss 'low'"),
        ("Training(model, 1, -0.5)", r"loss -0\.5"),
    ],
)
def test_train_returning_something_else_is_refused(
    tmp_path: Path, base: Path, expression: str, message: str
) -> None:
    with np.errstate(all="ignore"), pytest.raises(TaskResultError, match=message):
        train(tmp_path, base, returning(expression))
    assert not (tmp_path / "update").exists()


def test_update_beyond_float32_is_refused(tmp_path: Path) -> None:
    base = tmp_path / "base"
    base.write_bytes(b"".join(encode({"w": np.full((3, 2), -3e38, np.float32), "b": BASE["b"]})))
    grown = returning("Training({'w': -model['w'], 'b': model['b']}, 1, 1.0)")
    with pytest.raises(TaskResultError, match="beyond the range of float32"):
        train(tmp_path, base, grown)


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("0.5", "evaluate returned float"),
        ("Scores(1.01, 0.0, 1)", r"accuracy 1\.01"),
        ("Scores(float('nan'), 0.0, 1)", "accuracy nan"),
        ("Scores(0.5, float('inf'), 1)", "loss inf"),
        ("Scores(0.5, 0.0, 0)", "samples 0"),
    ],
)
def test_evaluate_returning_something_else_is_refused(
    tmp_path: Path, base: Path, expression: str, message: str
) -> None:
    execution = Execution(task_file(tmp_path, returning(expression, "evaluate")))
    with pytest.raises(TaskResultError, match=message):
        execution.perform(Evaluate(CONTEXT, str(base)))


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("[1]", "init_model returned list"),
        ("{}", "init_model returned no model"),
        ("{'w': np.zeros(3)}", "'w' is float64"),
        ("{'w': np.full(3, np.inf, np.float32)}", "'w' holds NaN or infinity"),
        ("{'': np.zeros(3, np.float32)}", "tensor name ''"),
        ("{5: np.zeros(3, np.float32)}", "init_model returned no model"),
    ],
)
def test_init_returning_something_else_is_refused(
    tmp_path: Path, expression: str, message: str
) -> None:
    execution = Execution(task_file(tmp_path, returning(expression, "init_model")))
    with pytest.raises(TaskResultError, match=message):
        execution.perform(Init(CONTEXT, str(tmp_path / "model")))


@pytest.mark.parametrize("act", ["raise ValueError('bad data')", "sys.exit('bad data')"])
def test_task_that_raises_names_error_and_line(tmp_path: Path, base: Path, act: str) -> None:
    with pytest.raises(
        TaskFailedError, match=r"(ValueError|SystemExit): bad data at .*odd_task\.py:\d+"
    ):
        train(tmp_path, base, returning("None", prepare=act))


def test_error_of_our_own_passes_as_it_is(tmp_path: Path, base: Path) -> None:
    body = returning(
        "None", prepare="from qrfld.tasks.errors import TaskDataError as E; raise E('no csv')"
    )
    with pytest.raises(TaskDataError, match="no csv"):
        train(tmp_path, base, body)


def test_output_that_exists_in_part_is_not_overwritten(tmp_path: Path, base: Path) -> None:
    (tmp_path / "update.part").write_text("someone else's")
    with pytest.raises(FileExistsError):
        train(tmp_path, base)
