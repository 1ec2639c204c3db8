"""The configuration file that ``qrfl init`` writes: every setting, explained.

Settings that were chosen stand as they are; all others stand commented out with their default, so
that a later version's better default applies.
"""

from __future__ import annotations

import json
import textwrap
from collections.abc import Mapping
from typing import Any

from qrfld.config.loading import Values, assemble, check
from qrfld.config.schema import Config, expectation, sections, types

_HEAD = """\
# The configuration of one qrfld node. `qrfl config check` reads it, `qrfl config show` prints what
# applies. Every setting can also be given as an environment variable, QRFLD_<SECTION>_<KEY>.
"""


def render_default(name: str, **chosen: Mapping[str, object]) -> str:
    """Return TOML text for a node called ``name``.

    ``chosen`` are settings by section, such as ``listen={"port": 0}``; they are checked as a file's
    would be. Raises ``UnknownKeyError`` or ``ConfigValueError``.
    """
    values: Values = {
        section: {
            key: check(section, key, value, lambda: "the template") for key, value in keys.items()
        }
        for section, keys in {**chosen, "node": {**chosen.get("node", {}), "name": name}}.items()
    }
    config = assemble(values)
    parts = [_HEAD]
    for section, struct in sections().items():
        if struct is None:
            parts.append(_tasks(config))
        else:
            head = f"# {struct.__doc__}\n[{section}]"
            parts.append("\n".join([head, *_settings(section, config, values.get(section, {}))]))
    return "\n".join(f"{part}\n" for part in parts)


def _settings(section: str, config: Config, chosen: Mapping[str, object]) -> list[str]:
    values = getattr(config, section)
    lines = []
    for key, kind in types(type(values)).items():
        lines.append(f"# {expectation(kind)}")
        value = getattr(values, key)
        mark = "" if key in chosen and value is not None else "# "
        lines.append(f"{mark}{key} = {_toml(value)}")
    return lines


def _tasks(config: Config) -> str:
    explanation = textwrap.dedent("""\
        # Tasks by name, beside the built-in ones; a file is taken from this file's directory.
        [tasks]
        # hearts = "hearts/task.py:Hearts\"""")
    chosen = [f"{_toml(name)} = {_toml(spec)}" for name, spec in config.tasks.items()]
    return "\n".join([explanation, *chosen])


def _toml(value: Any) -> str:
    # JSON's strings, numbers and lists are also TOML, but for one character and for escapes that
    # come in surrogate pairs.
    return (
        "1.0" if value is None else json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    )
