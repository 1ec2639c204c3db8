"""YAML through PyYAML's safe loader, minus the parts that make YAML dangerous.

Plain maps, lists and scalars only: no aliases or anchors (ten lines of them unfold to gigabytes),
no merge keys, no tags, no duplicate keys, one document. PyYAML is the extra ``qrfld[yaml]`` and is
imported only when a file ends in ``.yaml`` or ``.yml``.
"""

from __future__ import annotations

import importlib
from types import ModuleType
from typing import Any

from qrfld.config.errors import ConfigFileError, DuplicateKeyError
from qrfld.config.key_lines import KeyPath, Lines

# Counted while parsing, before PyYAML's recursion sees them.
_MAX_NESTING = 32


def read_yaml(name: str, text: str) -> tuple[Any, Lines]:
    """Return the values of ``text`` and the 1-based line of every key.

    Raises ``ConfigFileError`` and ``DuplicateKeyError``.
    """
    yaml = _pyyaml(name)
    try:
        _refuse_dangerous(yaml, name, text)
        loader = yaml.SafeLoader(text)
        try:
            root = loader.get_single_node()
            lines: Lines = {}
            value = {} if root is None else _value(yaml, loader, name, root, (), lines)
        finally:
            loader.dispose()
    except (yaml.YAMLError, ValueError) as error:
        text = " ".join(str(error).split())
        raise ConfigFileError(f"{name} is not valid YAML: {text}") from error
    return value, lines


def _pyyaml(name: str) -> ModuleType:
    try:
        return importlib.import_module("yaml")
    except ImportError as error:
        raise ConfigFileError(
            f"{name} is YAML, and PyYAML is not installed",
            hint="`pip install 'qrfld[yaml]'`, or use qrfld.toml",
        ) from error


def _refuse_dangerous(yaml: ModuleType, name: str, text: str) -> None:
    depth = 0
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
            line = event.start_mark.line + 1
            raise ConfigFileError(f"{name}, line {line}: aliases and anchors are not allowed")
        if getattr(event, "tag", None):
            line = event.start_mark.line + 1
            raise ConfigFileError(f"{name}, line {line}: tags are not allowed: {event.tag}")
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > _MAX_NESTING:
            raise ConfigFileError(f"{name} is nested too deeply")


def _value(yaml: ModuleType, loader: Any, name: str, node: Any, path: KeyPath, lines: Lines) -> Any:
    if isinstance(node, yaml.SequenceNode):
        return [_value(yaml, loader, name, item, path, lines) for item in node.value]
    if not isinstance(node, yaml.MappingNode):
        return loader.construct_object(node)
    result: dict[str, Any] = {}
    for key_node, value_node in node.value:
        line = key_node.start_mark.line + 1
        if not isinstance(key_node, yaml.ScalarNode) or key_node.tag.endswith(":merge"):
            raise ConfigFileError(f"{name}, line {line}: a key must be a plain word")
        # The text as written: YAML would turn an unquoted `on:` into a boolean.
        key = str(key_node.value)
        if key in result:
            raise DuplicateKeyError(f"{name}, line {line}: {key!r} is given twice")
        lines.setdefault((*path, key), line)
        result[key] = _value(yaml, loader, name, value_node, (*path, key), lines)
    return result
