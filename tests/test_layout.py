"""The house itself: links, floors, names and what must not stand in the tree."""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
import tomllib
from importlib.metadata import distribution
from pathlib import Path

import pytest

import qrfld

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "qrfld"
BIN = Path(sys.executable).parent
LINKS = ("protocol", "crypto", "aggregation", "cli")
#: Words in the names of test files that concern several modules of a room at once.
SEVERAL_MODULES = ("vectors", "hostile")

checkout_only = pytest.mark.skipif(
    not (ROOT / ".git").exists(), reason="not a git checkout: no links, no list of tracked files"
)

#: Modules without a test file of their own, by name or path, and why.
TESTED_ELSEWHERE: dict[str, str] = {
    "__init__": "holds the room's theory of operation or re-exports, no behaviour",
    "__main__": "one call of main(), run by the e2e tests",
    "errors": "classes without behaviour; each is raised in the tests of the module that raises it",
    "labels": "constants; every test of a signature or a key uses them",
    **dict.fromkeys(
        (f"config/{name}" for name in ("addresses", "documents", "key_lines", "loading")),
        "stages of reading one file; tests/test_config.py goes through all of them",
    ),
    **dict.fromkeys(
        (f"config/{name}" for name in ("rendering", "schema", "yaml_files")),
        "what is read is what was written; tests/test_config.py",
    ),
    "protocol/events": "records without behaviour; tests/protocol/test_connection.py meets each",
    "protocol/session": "records that the handshake gives; tests/protocol/test_handshake.py",
    "net/timing": "numbers; the tests of the mesh choose their own",
    "store/database": "joins the tables' methods on one object; their tests use it",
    "store/rows": "records without behaviour; the tests of the store meet each",
    "tasks/base": "an interface; the built-in task and the examples implement it",
    "tasks/process": "the running half of a worker; tests/tasks/test_pool.py kills it in every way",
    **dict.fromkeys(
        (
            f"conformance/{name}"
            for name in (
                *(
                    "answer",
                    "calls",
                    "coordinating",
                    "door",
                    "house",
                    "initiation",
                    "inside",
                    "membership",
                    "resuming",
                    "sessions",
                    "speaker",
                    "verdict",
                ),
                *(
                    "cases/blobs",
                    "cases/cookies",
                    "cases/entry",
                    "cases/first_message",
                    "cases/frames",
                ),
                *(
                    "cases/joining",
                    "cases/records",
                    "cases/resumption",
                    "cases/strangers",
                    "cases/streams",
                ),
                *("cases/reception", "cases/second_message", "cases/structures"),
                "cases/third_message",
            )
        ),
        "a tester and its catalogue; test_server.py and test_client.py run all of it, and mutants",
    ),
    "rounds/node": "an interface; the daemon and the tests of the rounds implement it",
}
#: Test files about something other than one module.
WHOLE_HOUSE = {
    "tests/test_layout.py",
    "tests/test_docs.py",
    "tests/test_makefile.py",
    "tests/aggregation/test_byzfl.py",
    "tests/aggregation/test_robustness.py",
    "tests/protocol/test_spec.py",
    "tests/spec/test_proverif.py",
    "tests/systemd/test_service.py",
    "tests/tasks/test_examples.py",
}


def tracked() -> list[Path]:
    listing = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT,
        capture_output=True,
        check=True,
        text=True,
    )
    paths = [ROOT / name for name in listing.stdout.split("\0") if name]
    return [path for path in paths if path.is_file() and not path.is_symlink()]


def pyproject() -> dict[str, dict[str, object]]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text())


def modules() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


@checkout_only
@pytest.mark.parametrize("name", LINKS)
def test_link_at_the_root_points_into_the_package(name: str) -> None:
    link = ROOT / name
    assert link.is_symlink()
    assert link.readlink() == Path("qrfld") / name
    assert (link / "__init__.py").is_file()


@pytest.mark.parametrize("name", LINKS)
def test_ruff_meets_an_import_of_a_link_refuses_it(name: str) -> None:
    check = subprocess.run(
        [BIN / "ruff", "check", "--no-cache", "--stdin-filename", "qrfld/example.py", "-"],
        cwd=ROOT,
        input=f"import {name}\n",
        capture_output=True,
        text=True,
    )
    assert check.returncode == 1
    assert f"import qrfld.{name}" in check.stdout


def test_imports_point_down_only() -> None:
    check = subprocess.run(
        [BIN / "lint-imports", "--no-cache"], cwd=ROOT, capture_output=True, text=True
    )
    assert check.returncode == 0, check.stdout + check.stderr


@checkout_only
def test_tree_names_no_path_of_one_machine() -> None:
    shared = {Path("/"), Path(tempfile.gettempdir())}
    places = {Path.home(), ROOT, ROOT.parent, Path(sys.prefix)} - shared
    pattern = re.compile(
        "(?<![A-Za-z0-9_.*-])(" + "|".join(re.escape(f"{p}/") for p in places) + ")"
    )
    found = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()[:100]}"
        for path in tracked()
        for number, line in enumerate(path.read_bytes().decode(errors="replace").splitlines(), 1)
        if pattern.search(line)
    ]
    assert not found


@checkout_only
def test_tree_holds_no_large_file() -> None:
    assert [path for path in tracked() if path.stat().st_size > 1_500_000] == []


def has_test_file(module: Path) -> bool:
    """The test of ``qrfld/<room>/x.py`` is ``tests/<room>/test_x.py`` or ``test_x_<topic>.py``."""
    room = ROOT / "tests" / module.relative_to(PACKAGE).parts[0]
    files = room.rglob("test_*.py") if room.is_dir() else (ROOT / "tests").glob("test_*.py")
    return any(f"{file.stem}_".startswith(f"test_{module.stem.lstrip('_')}_") for file in files)


def test_every_module_has_its_test_file() -> None:
    without = [
        name
        for module in modules()
        if module.stem not in TESTED_ELSEWHERE
        and (name := module.relative_to(PACKAGE).with_suffix("").as_posix()) not in TESTED_ELSEWHERE
        and not has_test_file(module)
    ]
    assert not without


def test_every_test_file_has_its_module() -> None:
    """``test_<module>.py``, or ``test_<module>_<topic>.py`` for one with several."""
    stems = {path.stem.lstrip("_") for path in modules()} | {path.parent.name for path in modules()}
    stray = [
        name
        for path in (ROOT / "tests").rglob("test_*.py")
        if (name := path.relative_to(ROOT).as_posix()) not in WHOLE_HOUSE
        and not name.startswith(("tests/e2e/", "tests/fuzz/"))
        and not any(word in path.stem for word in SEVERAL_MODULES)
        and not any(f"{path.stem}_".startswith(f"test_{stem}_") for stem in stems)
    ]
    assert not stray


def test_python_file_stays_small_enough_for_one_idea() -> None:
    sizes = {path: len(path.read_text().splitlines()) for path in modules()}
    assert {str(p.relative_to(ROOT)): n for p, n in sizes.items() if n > 450} == {}


def test_changelog_leads_with_the_version_of_the_package() -> None:
    headings = re.findall(r"^## \[(.+?)\]", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert next(name for name in headings if name != "Unreleased") == qrfld.__version__
    assert distribution("qrfld").version == qrfld.__version__


def test_licence_is_named_by_its_spdx_identifier() -> None:
    project = pyproject()["project"]
    assert project["license"] == "Apache-2.0"
    assert distribution("qrfld").metadata["License-Expression"] == "Apache-2.0"
    assert "Apache License" in (ROOT / "LICENSE").read_text()[:200]


def test_entry_points_load() -> None:
    points = {point.name: point for point in distribution("qrfld").entry_points}
    assert {"qrfld", "qrfl", "digits"} <= points.keys()
    assert all(callable(point.load()) for point in points.values())


def test_base_install_asks_for_no_heavy_package() -> None:
    listed = " ".join(pyproject()["project"]["dependencies"])  # type: ignore[arg-type]
    assert not [name for name in ("torch", "scipy", "scikit-learn", "pandas") if name in listed]


def test_command_line_starts_without_the_heavy_modules() -> None:
    # `qrfl status` must answer at once on a small board: no event loop, no arrays, no training.
    code = "import sys, qrfld.cli.app; print(*sorted(sys.modules))"
    names = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, check=True, text=True
    ).stdout.split()
    assert {"asyncio", "numpy", "sklearn", "torch", "oqs"} & set(names) == set()


def test_ci_runs_the_documented_commands() -> None:
    script = ROOT / ".ci" / "run"
    assert script.stat().st_mode & 0o111
    assert re.findall(r"^make (\w+)$", script.read_text(), re.MULTILINE) == ["lint", "test"]
