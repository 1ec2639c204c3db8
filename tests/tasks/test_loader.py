from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path

import pytest

from qrfld.tasks import digits
from qrfld.tasks.digits import Digits
from qrfld.tasks.errors import (
    TaskClassError,
    TaskDataError,
    TaskFileError,
    TaskNotFoundError,
)
from qrfld.tasks.loader import MAX_SOURCE_BYTES, digest, load

GOOD = """
from __future__ import annotations
from dataclasses import dataclass

@dataclass
class Helper:
    value: int = 1

class Mine:
    def init_model(self, context): return {}
    def train(self, model, context): return None
    def evaluate(self, model, context): return None

class Half:
    def train(self, model, context): return None

class Broken(Mine):
    def __init__(self): raise ValueError("no data here")

class Greedy(Mine):
    def __init__(self, size): self.size = size

def function(): pass
"""


@pytest.fixture
def good(tmp_path: Path) -> Path:
    path = tmp_path / "task.py"
    path.write_text(GOOD)
    return path


def write(tmp_path: Path, text: str) -> str:
    path = tmp_path / "broken.py"
    path.write_text(text)
    return f"{path}:Mine"


def test_entry_point_is_found_by_name() -> None:
    assert isinstance(load("digits"), Digits)


def test_file_is_found_by_path_and_class(good: Path) -> None:
    assert type(load(f"{good}:Mine")).__name__ == "Mine"


def test_unknown_name_names_the_nearest() -> None:
    with pytest.raises(TaskNotFoundError, match="did you mean 'digits'"):
        load("digit")


@pytest.mark.parametrize("spec", ["", "nothing-like-it", "\0"])
def test_name_like_no_other_lists_what_is_installed(spec: str) -> None:
    with pytest.raises(TaskNotFoundError, match="digits"):
        load(spec)


@pytest.mark.parametrize("spec", ["a/b.py", "x.py:", "x.py:1a", "./x:Mine", "a.py:b c", "/:/"])
def test_malformed_path_says_how_to_write_it(spec: str) -> None:
    with pytest.raises(TaskNotFoundError, match=r"task\.py:ClassName"):
        load(spec)


def test_missing_file_is_named(tmp_path: Path) -> None:
    for path in (tmp_path / "none.py", tmp_path):
        with pytest.raises(TaskNotFoundError, match=str(tmp_path)):
            load(f"{path}{'' if path.suffix else '/x.py'}:Mine")


def test_path_with_a_zero_byte_is_refused() -> None:
    with pytest.raises((TaskFileError, TaskNotFoundError)):
        load("a\0b.py:Mine")


def test_syntax_error_names_file_and_line(tmp_path: Path) -> None:
    with pytest.raises(TaskFileError, match=r"broken\.py:2: "):
        load(write(tmp_path, "x = 1\nclass Mine(:\n    pass\n"))


@pytest.mark.parametrize(
    "text", ["x = 1\n\nraise OSError('no')", "x = 1\n\nimport sys; sys.exit(3)"]
)
def test_error_while_importing_names_file_and_line(tmp_path: Path, text: str) -> None:
    with pytest.raises(TaskFileError, match=r"broken\.py:3: "):
        load(write(tmp_path, text))


def test_missing_package_says_what_to_install(tmp_path: Path) -> None:
    with pytest.raises(TaskDataError, match=r"broken\.py:1: .*pip install no_such_package"):
        load(write(tmp_path, "import no_such_package"))


@pytest.mark.parametrize(
    "content", [b"\0\0\0", b"\xff\xfe\x00bad", b"# coding: nonsense\n", b"(" * 9000]
)
def test_file_that_is_no_python_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "broken.py"
    path.write_bytes(content)
    with pytest.raises(TaskFileError, match=r"broken\.py"):
        load(f"{path}:Mine")


def test_oversized_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "large.py"
    path.write_bytes(b"#" * (MAX_SOURCE_BYTES + 1))
    with pytest.raises(TaskFileError, match=str(MAX_SOURCE_BYTES)):
        digest(f"{path}:Mine")


def test_missing_class_lists_those_there(good: Path) -> None:
    with pytest.raises(TaskClassError, match="its classes are: Helper, Mine"):
        load(f"{good}:Absent")
    with pytest.raises(TaskClassError, match="no class 'function'"):
        load(f"{good}:function")


def test_class_without_the_methods_names_them(good: Path) -> None:
    with pytest.raises(TaskClassError, match="it has no init_model, evaluate"):
        load(f"{good}:Half")


def test_class_that_cannot_be_constructed_says_why(good: Path) -> None:
    with pytest.raises(TaskClassError, match="ValueError: no data here"):
        load(f"{good}:Broken")
    with pytest.raises(TaskClassError, match="without arguments"):
        load(f"{good}:Greedy")


def test_digest_is_that_of_the_source(good: Path) -> None:
    assert digest(f"{good}:Mine") == hashlib.sha256(GOOD.encode()).digest()
    source = Path(digits.__file__).read_bytes()
    assert digest("digits") == hashlib.sha256(source).digest()


def install(folder: Path, entry: str) -> None:
    """Lay out a distribution in ``folder`` that offers a task."""
    info = folder / "somebodys-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: somebodys\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[qrfld.tasks]\nsomebodys = {entry}\n")


def test_somebodys_package_offers_a_task(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(tmp_path, "somebodys_module:Mine")
    (tmp_path / "somebodys_module.py").write_text(GOOD)
    monkeypatch.syspath_prepend(tmp_path)
    assert type(load("somebodys")).__name__ == "Mine"
    assert digest("somebodys") == hashlib.sha256(GOOD.encode()).digest()


def test_somebodys_package_that_cannot_be_imported_names_file_and_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(tmp_path, "somebodys_broken:Mine")
    (tmp_path / "somebodys_broken.py").write_text("x = 1\nx.y\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(TaskFileError, match=r"somebodys_broken\.py:2: AttributeError"):
        load("somebodys")


@pytest.mark.parametrize("entry", ["no_such_module:Mine", "no_such.module:Mine", "json.tool_:X"])
def test_somebodys_package_without_the_module_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, entry: str
) -> None:
    install(tmp_path, entry)
    monkeypatch.syspath_prepend(tmp_path)
    for use in (load, digest):
        with pytest.raises(
            (TaskFileError, TaskNotFoundError, TaskDataError), match=r"somebodys|no_such"
        ):
            use("somebodys")


def test_digest_executes_nothing(tmp_path: Path) -> None:
    assert len(digest(write(tmp_path, "raise SystemExit"))) == 32
    script = (
        "import sys; from qrfld.tasks.loader import digest; digest('digits'); "
        "sys.exit('qrfld.tasks.digits' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0
