"""From a file and the environment to a checked ``Config``.

Order: defaults, then the file, then ``QRFLD_<SECTION>_<KEY>``. Each value is checked on its own, so
that an error names the one key, its value, what was expected and the line (or the variable) that it
came from.
"""

from __future__ import annotations

import difflib
import math
import os
import re
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import msgspec

from qrfld.config.addresses import parse_address, parse_peer
from qrfld.config.documents import Document, read
from qrfld.config.errors import ConfigValueError, UnknownKeyError
from qrfld.config.schema import Config, Section, TaskName, TaskSpec, expectation, sections, types

PREFIX = "QRFLD_"

Values = dict[str, dict[str, Any]]
# Where a value comes from; asked only when there is an error to report.
Where = Callable[[], str]


def load(path: Path, env: Mapping[str, str] = os.environ) -> Config:
    """Return the settings of the file ``path`` with the overrides in ``env``.

    A relative task file is taken from the directory of ``path``. Raises ``ConfigFileError``,
    ``UnknownKeyError``, ``DuplicateKeyError`` or ``ConfigValueError``.
    """
    document = read(path)
    values = _from_document(document)
    _override(values, env)
    tasks = values.get("tasks", {})
    values["tasks"] = {name: _locate(spec, path.absolute().parent) for name, spec in tasks.items()}
    return assemble(values)


def assemble(values: Values) -> Config:
    """Build the config from checked values, then check what concerns more than one of them."""
    config = msgspec.convert(values, Config)
    limits = config.limits
    if limits.spool_bytes < limits.model_bytes:
        raise ConfigValueError(
            f"limits.spool_bytes is {limits.spool_bytes}, less than one model "
            f"(limits.model_bytes = {limits.model_bytes})",
            hint="raise the first or lower the second",
        )
    return config


def check(section: str, key: str, value: object, where: Where) -> Any:
    """Return ``value`` as the type of ``section.key``; ``where`` is named in errors.

    Raises ``UnknownKeyError`` or ``ConfigValueError``.
    """
    kind = _type_of(section, key, where)
    try:
        converted = msgspec.convert(value, kind, strict=True)
    except (msgspec.ValidationError, OverflowError) as error:
        raise _wrong_value(section, key, value, kind, where) from error
    if isinstance(converted, float) and not math.isfinite(converted):
        raise _wrong_value(section, key, value, kind, where)
    parse = {"advertise": parse_address, "peers": parse_peer}.get(key)
    _check_items(converted, parse, f"{section}.{key}", where)
    return converted


def _from_document(document: Document) -> Values:
    values: Values = {}
    for section, content in document.data.items():
        where = partial(document.where, (section,))
        if section not in sections():
            raise _unknown(section, sections(), where, "section")
        if not isinstance(content, dict):
            raise ConfigValueError(
                f"{section} is {_shown(content)} in {where()}; expected a section of settings"
            )
        values[section] = {
            key: check(section, key, value, partial(document.where, (section, key)))
            for key, value in content.items()
        }
    return values


def _override(values: Values, env: Mapping[str, str]) -> None:
    names = "|".join(name.upper() for name in sections())
    for variable in sorted(env):
        match = re.fullmatch(rf"{PREFIX}({names})(?:_(.*))?", variable)
        if match is None:
            continue
        section, key = match[1].lower(), (match[2] or "").lower()
        where = partial(str, variable)
        value = _from_text(_type_of(section, key, where), env[variable])
        values.setdefault(section, {})[key] = check(section, key, value, where)


def _from_text(kind: Any, text: str) -> object:
    """Read an environment variable's text as a number or list where the setting is one."""
    for reading in (int, float):
        try:
            return msgspec.convert(reading(text), kind, strict=True)
        except (ValueError, msgspec.ValidationError):
            continue
    if "list[" in str(kind):
        return [item.strip() for item in text.split(",") if item.strip()]
    return text


def _type_of(section: str, key: str, where: Where) -> Any:
    if section not in sections():
        raise _unknown(section, sections(), where, "section")
    struct = sections()[section]
    if struct is None:
        try:
            msgspec.convert(key, TaskName)
        except msgspec.ValidationError as error:
            raise ConfigValueError(
                f"{section}.{_clip(key)} in {where()}: expected {expectation(TaskName)}"
            ) from error
        return TaskSpec
    known = types(struct)
    if key not in known:
        raise _unknown(key, known, where, "key", section)
    return known[key]


def _unknown(
    given: str, known: Iterable[str], where: Where, what: str, section: str = ""
) -> UnknownKeyError:
    names = list(known)
    elsewhere = _homes(given) if section else []
    nearest = difflib.get_close_matches(given, names, n=1, cutoff=0.6)
    if nearest:
        hint = f"did you mean {nearest[0]!r}?"
    elif elsewhere:
        hint = f"{given!r} belongs to [{elsewhere[0]}]"
    else:
        hint = f"there are: {', '.join(names)}"
    full = f"{section}.{_clip(given)}" if section else _clip(given)
    return UnknownKeyError(f"unknown {what} {full!r} in {where()}", hint=hint)


def _homes(key: str) -> list[str]:
    structs: dict[str, type[Section] | None] = sections()
    return [name for name, struct in structs.items() if struct is not None and key in types(struct)]


def _wrong_value(
    section: str, key: str, value: object, kind: Any, where: Where
) -> ConfigValueError:
    return ConfigValueError(
        f"{section}.{key} is {_shown(value)} in {where()}; expected {expectation(kind)}"
    )


def _check_items(
    value: object, parse: Callable[[str], object] | None, name: str, where: Where
) -> None:
    if parse is None or not isinstance(value, list):
        return
    for item in value:
        try:
            parse(item)
        except ConfigValueError as error:
            raise ConfigValueError(
                f"{name} in {where()}: {error.message}", hint=error.hint
            ) from error


def _locate(spec: str, directory: Path) -> str:
    file, separator, name = spec.rpartition(":")
    if separator and file.endswith(".py"):
        return f"{directory / Path(file).expanduser()}:{name}"
    return spec


def _shown(value: object) -> str:
    if isinstance(value, dict):
        return "a section"
    try:
        return _clip(repr(value))
    except ValueError:  # more digits than Python writes out
        return "a number of thousands of digits"


def _clip(text: str) -> str:
    return text if len(text) <= 80 else f"{text[:77]}…"
