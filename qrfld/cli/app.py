"""The tree of commands, the options of every command, and the way from an error to an exit code."""

from __future__ import annotations

import json
import os
import sys
import traceback
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import typer

from qrfld.cli import algorithms, bench, lab, lifecycle, membership, models, runs, settings, status
from qrfld.cli.conformance import conformance
from qrfld.cli.demo.command import demo
from qrfld.cli.session import JSON_VERSION, Session, begin
from qrfld.errors import QrfldError, UsageError
from qrfld.logs import printable

INTERRUPTED: Final = 130  # 128 + SIGINT, as shells count
INTERNAL: Final = "internal"

EVERYWHERE: Final = "And the options of every command: --home DIR, --json, --verbose."
EPILOG: Final = """\b
Options of every command:
  --home DIR  the node's directory (or set QRFLD_HOME)
  --json      print versioned JSON
  --verbose   show the traceback of an error

\b
Exit codes:
  0  ok
  1  failure
  2  usage: an argument is wrong
  3  the daemon is not running
  4  configuration
  5  identity, keystore, token or admission
  130  interrupted by Ctrl-C

Data goes to standard output, everything else to standard error. With --json
standard output is one JSON object {"version": 1, ...}; after an error it is
{"version": 1, "error": {"name", "message", "hint"}}."""

# Without a default of its own, typer (0.29) sends every command's --help flag through pydantic, and
# loading that takes as long as all the rest of `qrfl status`.
CONTEXT: Final = {"default_map": {"help": False}, "help_option_names": ["--help", "-h"]}

app = typer.Typer(
    name="qrfl",
    context_settings=CONTEXT,
    help="Steer a qrfld node: found or join a federation, start training runs, watch them.",
    epilog=EPILOG,
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode=None,  # plain help: rich would cost half of the start-up time
    pretty_exceptions_enable=False,
)


@app.callback()
def _root() -> None:
    """Say that this is a program of commands.

    The options of every command are not declared here but taken out by `hoist`: they may then stand
    anywhere, and typer need not load its (slow) conversions to start ``qrfl status``.
    """


def _build() -> None:
    for name, function in (
        ("init", membership.init),
        ("join", membership.join),
        ("up", lifecycle.up),
        ("down", lifecycle.down),
        ("status", status.status),
        ("peers", status.peers),
        ("id", membership.show_id),
        ("paths", settings.paths),
        ("demo", demo),
        ("conformance", conformance),
        ("version", settings.version),
    ):
        app.command(name, epilog=EVERYWHERE, context_settings=CONTEXT)(function)
    _group("token", "Invite new members.", create=membership.create, list=membership.list_tokens)
    _group(
        "run",
        "Start training runs and watch them.",
        start=runs.start,
        stop=runs.stop,
        list=runs.list_runs,
        show=runs.show,
        watch=runs.watch,
    )
    _group("model", "List and export models.", list=models.list_models, export=models.export)
    _group("crypto", "Show what cryptography this machine has.", list=algorithms.list_suites)
    _group("config", "Show and check settings.", show=settings.show, check=settings.check)
    _group(
        "bench",
        "Measure this machine, each figure beside its baseline.",
        handshake=bench.handshake,
        records=bench.records,
        flood=bench.flood,
        aggregate=bench.aggregate,
        all=bench.everything,
    )
    _group("lab", "Measure what rules are worth under attack, without daemons.", run=lab.run)


def _group(name: str, text: str, **functions: Callable[..., None]) -> None:
    group = typer.Typer(
        help=text, no_args_is_help=True, rich_markup_mode=None, context_settings=CONTEXT
    )
    for command, function in functions.items():
        group.command(command, epilog=EVERYWHERE, context_settings=CONTEXT)(function)
    app.add_typer(group, name=name)


_build()


def run(argv: Sequence[str]) -> int:
    """Run one command line; returns its exit code. Nothing but an interpreter exit is raised."""
    session, rest = Session(json="--json" in argv), list(argv)
    try:
        session, rest = hoist(argv)
        begin(session)
        rest = ["version"] if rest == ["--version"] else rest
        code = typer.main.get_command(app).main(rest, prog_name="qrfl", standalone_mode=False)
    except QrfldError as error:
        _trace(session)
        return _report(session, error.name, error.message, error.hint, error.exit_code)
    except (KeyboardInterrupt, typer.Abort):
        return INTERRUPTED
    except BrokenPipeError:
        # Whoever read our output has left; give the interpreter's last flush somewhere to go.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except Exception as error:
        return _unforeseen(session, error, rest)
    return code if isinstance(code, int) else 0


def hoist(argv: Sequence[str]) -> tuple[Session, list[str]]:
    """Take the options of every command out of ``argv``, wherever they stand before a ``--``.

    Returns what they say and the rest. Raises UsageError when ``--home`` has no directory.
    """
    words, rest = list(argv), list[str]()
    home: str | None = None
    flags = {"--json": False, "--verbose": False}
    while words and words[0] != "--":
        word = words.pop(0)
        if word in flags:
            flags[word] = True
        elif word == "--home" or word.startswith("--home="):
            home = word.partition("=")[2] if "=" in word else words.pop(0) if words else ""
            if not home:
                raise UsageError("--home has no value", hint="name a directory: --home DIR")
        else:
            rest.append(word)
    path = Path(home) if home else None
    return Session(path, flags["--json"], flags["--verbose"]), [*rest, *words]


def _unforeseen(session: Session, error: Exception, words: Sequence[str]) -> int:
    """Report what typer found on the command line ``words``, or a bug of ours."""
    # Where typer's own exceptions live has moved between its versions; what they share has not.
    if hasattr(error, "format_message") and hasattr(error, "show"):
        context = getattr(error, "ctx", None)
        hint = f"{context.command_path} --help" if context else "qrfl --help"
        _name_value(error, words)
        if not session.json:
            error.show()
            return int(getattr(error, "exit_code", UsageError.exit_code))
        return _report(session, UsageError.name, error.format_message(), hint, UsageError.exit_code)
    _trace(session)
    text = f"{type(error).__name__}: {error}"
    hint = "this is a bug in qrfl: report it with the output of --verbose"
    return _report(session, INTERNAL, text, hint, QrfldError.exit_code)


def _name_value(error: Any, words: Sequence[str]) -> None:
    """Make typer's message about a value name that value, which it leaves out."""
    options = getattr(getattr(error, "param", None), "opts", ())
    pairs = [*pairwise(words), *(word.split("=", 1) for word in words if "=" in word)]
    given = [value for option, value in pairs if option in options]
    message = str(getattr(error, "message", "")).removeprefix("Value error, ")
    if given and message:
        error.message = message.partition(", unable")[0].replace("Input", repr(given[-1]), 1)


def _report(session: Session, name: str, message: str, hint: str, code: int) -> int:
    if session.json:
        error = {"name": name, "message": message, "hint": hint}
        typer.echo(json.dumps({"version": JSON_VERSION, "error": error}))
    typer.echo(f"qrfl: {printable(message)}", err=True)
    if hint:
        typer.echo(f"      {printable(hint)}", err=True)
    return code


def _trace(session: Session) -> None:
    if session.verbose:
        traceback.print_exc(file=sys.stderr)
