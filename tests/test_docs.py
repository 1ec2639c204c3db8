"""The documentation: its links, the files and commands it names, and its generated tables."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted(
    [
        *ROOT.glob("*.md"),
        *ROOT.glob("clients/*/README.md"),
        *(ROOT / "docs").rglob("*.md"),
        *(ROOT / "spec").rglob("*.md"),
    ]
)

LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)")
NAMED_FILE = re.compile(
    r"`((?:qrfld|docs|spec|tests|systemd|benchmarks|examples)/[\w./-]*(?:\.\w+|/))`"
)
#: A whole line of a code block, perhaps run as root or by its path; or a command in backticks.
COMMAND = re.compile(r"^(?: {4}|\$ )(?:sudo )?(?:/\S+/)?qrfl (.+)$|`qrfl ([^`]+)`", re.MULTILINE)
FORBIDDEN = re.compile(
    r"byzantine-proof|unhackable|military-grade|quantum-proof|first in the world|revolutionary"
    r"|cutting-edge|state-of-the-art|blazing",
    re.IGNORECASE,
)

pages = pytest.mark.parametrize("page", PAGES, ids=lambda p: p.relative_to(ROOT).as_posix())


def anchors(page: Path) -> set[str]:
    """The anchors that a forge gives a page's headings."""
    headings = re.findall(r"^#+ +(.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", h.lower()).replace(" ", "-") for h in headings}


def command_lines() -> list[tuple[str, str, bool]]:
    """Page and text of each `qrfl` command, and whether it is complete (a line of a block)."""
    return [
        (page.relative_to(ROOT).as_posix(), match[1] or match[2], match[1] is not None)
        for page in PAGES
        for match in COMMAND.finditer(page.read_text())
    ]


def parse(line: str, *, complete: bool) -> None:
    """Parse a command line as `qrfl` would, without running it; raises what it would raise."""
    from typer.main import get_command

    from qrfld.cli.app import app, hoist

    before_the_shell = re.split(r" [|<>] ", line)[0]
    words = hoist(shlex.split(before_the_shell, comments=True))[1]
    words = [word for word in words if word != "--help"]
    command = get_command(app)
    while hasattr(command, "commands") and (words or complete):
        assert words[0] in command.commands, f"qrfl has no {words[0]!r} in {line!r}"
        command = command.commands[words.pop(0)]
    try:
        command.make_context(command.name, words)
    except Exception as error:
        # In running text a command stands without its arguments.
        if complete or type(error).__name__ not in ("MissingParameter", "NoArgsIsHelpError"):
            raise


@pages
def test_page_links_resolve(page: Path) -> None:
    broken = []
    for target in LINK.findall(page.read_text()):
        path, _, anchor = target.partition("#")
        if re.match(r"[a-z]+:", path):
            continue
        file = (page.parent / path) if path else page
        if not file.exists() or (anchor and anchor not in anchors(file)):
            broken.append(target)
    assert not broken


@pages
def test_page_names_files_that_exist(page: Path) -> None:
    missing = [name for name in NAMED_FILE.findall(page.read_text()) if not (ROOT / name).exists()]
    assert not missing


@pages
def test_page_makes_no_claim_that_nothing_measures(page: Path) -> None:
    assert not FORBIDDEN.findall(page.read_text())


@pytest.mark.parametrize(("page", "line", "complete"), command_lines())
def test_documented_command_is_understood(page: str, line: str, complete: bool) -> None:
    parse(line, complete=complete)


def test_generated_tables_are_current() -> None:
    check = subprocess.run(
        [sys.executable, ROOT / "docs" / "generate.py", "--check"], capture_output=True, text=True
    )
    assert check.returncode == 0, check.stdout + check.stderr


def test_every_decision_is_listed_and_complete() -> None:
    directory = ROOT / "docs" / "decisions"
    listed = set(LINK.findall((directory / "README.md").read_text()))
    files = [path for path in directory.glob("*.md") if path.name != "README.md"]
    assert {path.name for path in files} == listed
    for path in files:
        text = path.read_text()
        headings = re.findall(r"^## (.+)$", text, re.MULTILINE)
        assert headings == ["Context", "Choice", "Consequences"], path.name
        assert re.search(r"^Status: ", text, re.MULTILINE), path.name


def test_make_targets_named_in_the_documentation_exist() -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = {
        name
        for page in PAGES
        for name in re.findall(r"(?:`|^ {4})make ([a-z]+)", page.read_text(), re.MULTILINE)
    }
    assert named <= targets
