"""Task files for tests of the training process: a tiny task, and variations that misbehave."""

from __future__ import annotations

from pathlib import Path

_TINY = """
from __future__ import annotations
import os, socket, sys, time
from pathlib import Path
import numpy as np
from qrfld.tasks.base import Context, Model, Scores, Training

class Tiny:
    calls = 0

    def init_model(self, context):
        rng = np.random.default_rng(context.seed)
        return {"w": rng.random((3, 2), dtype=np.float32), "b": np.zeros(2, np.float32)}

    def train(self, model, context):
        self.calls += 1
        model["w"] += np.float32(0.5)
        model["b"] -= np.float32(0.25)
        return Training(model, 10 + context.index, 1.5)

    def evaluate(self, model, context):
        return Scores(0.75, 0.5, 20)

class Odd(Tiny):
"""


def task_file(folder: Path, body: str = "pass") -> str:
    """Write a task file whose class Odd is the tiny task with ``body`` on top; return its spec."""
    path = folder / "odd_task.py"
    lines = "\n".join("    " + line for line in body.splitlines())
    path.write_text(_TINY + lines + "\n")
    return f"{path}:Odd"
