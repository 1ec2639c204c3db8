"""Listing models and writing them to files of other programs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from qrfld.cli import run_view, text
from qrfld.cli.errors import ModelDamagedError, ModelNotFoundError
from qrfld.cli.session import Answer, Session, current
from qrfld.errors import UsageError

if TYPE_CHECKING:
    from qrfld.cli.exporting import Format

LATEST = "latest"


def list_models() -> None:
    """List the models on this node, newest last."""
    models = in_order(current())
    rows = [
        (
            model["hash"],
            model["run"][: run_view.SHORT],
            model["round"],
            text.amount(model["bytes"]),
            text.percent(model["accuracy"]),
        )
        for model in models
    ]
    current().show(
        {"models": models}, text.table(("MODEL", "RUN", "ROUND", "SIZE", "ACCURACY"), rows)
    )


def export(
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="FILE", help="The file to write.")
    ],
    model: Annotated[
        str, typer.Argument(metavar="[MODEL]", help="The beginning of a model's hash, or latest.")
    ] = LATEST,
    run: Annotated[
        str | None,
        typer.Option(metavar="RUN", help="Only models of this run, by the beginning of its id."),
    ] = None,
    format: Annotated[
        Literal["npz", "safetensors"] | None,
        typer.Option("--format", help="The file's format. [default: by the suffix of FILE]"),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace the file if it exists.")] = False,
) -> None:
    """Write a model as npz or safetensors.

    The bytes are checked against the model's hash before anything is written.
    """
    session = current()
    chosen = format or _by_suffix(output)
    from qrfld.cli import exporting

    exporting.check_target(output, force=force)
    found = find(in_order(session), model, run)
    blob = download(session, found["hash"], found["bytes"])
    exporting.write(
        blob,
        output,
        chosen,
        metadata={"model": found["hash"], "run": found["run"], "round": str(found["round"])},
    )
    size = output.stat().st_size
    answer = {"model": found["hash"], "output": str(output), "format": chosen, "bytes": size}
    session.show(answer, f"{output}: {chosen}, {text.amount(size)}, model {found['hash'][:16]}")


def in_order(session: Session) -> list[Answer]:
    """The models on this node by the start of their run, then by round."""
    started = {run["run"]: run["started_at"] for run in session.call("run.list")["runs"]}
    models = session.call("model.list")["models"]
    return sorted(models, key=lambda model: (started.get(model["run"], 0), model["round"]))


def find(models: list[Answer], model: str, run: str | None) -> Answer:
    """The one of ``models`` (newest last) that is meant.

    Raises ModelNotFoundError, or UsageError when several are.
    """
    of_run = [m for m in models if run in (None, LATEST) or m["run"].startswith(run)]
    if run == LATEST:
        of_run = [m for m in of_run if m["run"] == of_run[-1]["run"]]
    if model == LATEST:
        matches = of_run[-1:]
    else:
        matches = [m for m in of_run if m["hash"].startswith(model.lower())]
    if not matches:
        what = "" if model == LATEST else f" {text.printable(model)}"
        where = f" of run {text.printable(run)}" if run else ""
        raise ModelNotFoundError(
            f"no model{what}{where} on this node",
            hint="qrfl model list shows what there is",
        )
    if len(matches) > 1:
        raise UsageError(f"{model!r} matches {len(matches)} models", hint="give more of its hash")
    return matches[0]


def download(session: Session, name: str, size: int) -> bytearray:
    """The ``size`` bytes of model ``name`` (a hash in hex). Raises ModelDamagedError."""
    from qrfld.protocol.tensors import blob_hash

    blob = bytearray()
    while len(blob) < size:
        part = session.call("model.read", hash=name, offset=len(blob))["data"]
        if not part:
            break
        blob += part
    if blob_hash(blob).hex() != name:
        raise ModelDamagedError(
            f"the model read as {name[:16]} has {len(blob)} bytes that do not match its hash",
            hint="export another round's model; check this node's disk",
        )
    return blob


def _by_suffix(output: Path) -> Format:
    match output.suffix.lower():
        case ".npz":
            return "npz"
        case ".safetensors":
            return "safetensors"
        case other:
            raise UsageError(
                f"no format is known by the suffix {other!r} of {output}",
                hint="name it .npz or .safetensors, or give --format",
            )
