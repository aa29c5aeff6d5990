"""The subset of YAML that packs may use: mappings, lists, strings, true and false, plain decimal numbers.

Refused: anchors, aliases, tags, duplicate keys, keys that are not strings, several documents, empty values,
and every plain scalar that some YAML reader takes for something else than a string (yes, 2024-01-01, 0o17,
1e3, 12:30, null): what an author sees is what the engine reads. Errors name the line, never the text.
"""

from __future__ import annotations

import re
from typing import Any, Final

import yaml

from vault.errors import PolicyInvalidError

MAX_FILE_BYTES: Final = 256 * 1024
MAX_DEPTH: Final = 12
MAX_VALUES: Final = 20_000  # scalars and collections of one file

Value = str | int | float | bool | list["Value"] | dict[str, "Value"]

_LOADER: Final[Any] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_resolve: Final[Any] = yaml.resolver.Resolver().resolve  # the implicit types of YAML 1.1
_STRING_TAG: Final = "tag:yaml.org,2002:str"
_INTEGER: Final = re.compile(r"-?(?:0|[1-9][0-9]{0,14})")
_DECIMAL: Final = re.compile(r"-?(?:0|[1-9][0-9]{0,14})\.[0-9]{1,15}")
_AMBIGUOUS: Final = re.compile(r"[yYnN]|[-+]?\.[0-9]+|[-+.]?[0-9][0-9_.]*[eE][-+]?[0-9]+|[-+]?0[oO][0-7]+|")
_CONTROL: Final = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")


def load(data: bytes, where: str) -> dict[str, Value]:
    """The mapping one file holds; `where` names the file in errors.

    Raises PolicyInvalidError: policy.yaml, policy.size.
    """
    if len(data) > MAX_FILE_BYTES:
        raise PolicyInvalidError("policy.size", f"{where}: larger than {MAX_FILE_BYTES} bytes")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        raise PolicyInvalidError("policy.yaml", f"{where}: not UTF-8") from None
    try:
        return _Reader(where).read(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f" line {mark.line + 1}:" if mark is not None else ""
        raise PolicyInvalidError("policy.yaml", f"{where}:{line} not well-formed YAML") from None


class _Reader:
    """Builds plain values from parse events, so that nothing is constructed that was not written."""

    def __init__(self, where: str) -> None:
        self._where = where
        self._values = 0
        self._open: list[tuple[list[Value] | dict[str, Value], str | None]] = []
        self._root: Value | None = None

    def read(self, text: str) -> dict[str, Value]:
        for event in yaml.parse(text, Loader=_LOADER):
            if isinstance(event, yaml.NodeEvent):
                self._node(event)
            elif isinstance(event, yaml.CollectionEndEvent):
                self._close(event)
            elif isinstance(event, yaml.DocumentStartEvent) and (self._root is not None or event.version):
                raise self._refuse(event, "one document per file, without directives")
        if not isinstance(self._root, dict):
            raise PolicyInvalidError("policy.yaml", f"{self._where}: the file must hold a mapping")
        return self._root

    def _node(self, event: yaml.NodeEvent) -> None:
        self._values += 1
        if self._values > MAX_VALUES:
            raise self._refuse(event, "too many values")
        if isinstance(event, yaml.AliasEvent) or event.anchor is not None:
            raise self._refuse(event, "anchors and aliases are not allowed")
        if getattr(event, "tag", None) is not None:
            raise self._refuse(event, "tags are not allowed")
        if isinstance(event, yaml.ScalarEvent):
            self._put(event, self._scalar(event))
            return
        if len(self._open) >= MAX_DEPTH:
            raise self._refuse(event, "nested too deeply")
        child: list[Value] | dict[str, Value] = {} if isinstance(event, yaml.MappingStartEvent) else []
        if self._expects_key():
            raise self._refuse(event, "keys must be strings")
        self._open.append((child, None))

    def _close(self, event: yaml.Event) -> None:
        finished, _ = self._open.pop()
        self._put(event, finished)

    def _put(self, event: yaml.Event, value: Value) -> None:
        if not self._open:
            self._root = value
            return
        parent, key = self._open[-1]
        if isinstance(parent, list):
            parent.append(value)
        elif key is not None:
            parent[key] = value
            self._open[-1] = (parent, None)
        else:
            if not isinstance(value, str):
                raise self._refuse(event, "keys must be strings")
            if value in parent:
                raise self._refuse(event, "duplicate key")
            self._open[-1] = (parent, value)

    def _expects_key(self) -> bool:
        return bool(self._open) and isinstance(self._open[-1][0], dict) and self._open[-1][1] is None

    def _scalar(self, event: yaml.ScalarEvent) -> Value:
        text = str(event.value)
        if _CONTROL.search(text):
            raise self._refuse(event, "control characters are not allowed")
        plain, _ = event.implicit
        if not plain:
            return text
        if text in ("true", "false"):
            return text == "true"
        if _INTEGER.fullmatch(text):
            return int(text)
        if _DECIMAL.fullmatch(text):
            return float(text)
        tag = _resolve(yaml.ScalarNode, text, (True, False))
        if tag != _STRING_TAG or _AMBIGUOUS.fullmatch(text):
            raise self._refuse(event, "ambiguous plain value: quote it, or write true, false or a number")
        return text

    def _refuse(self, event: yaml.Event, reason: str) -> PolicyInvalidError:
        mark = event.start_mark
        line = f" line {mark.line + 1}:" if mark is not None else ""
        return PolicyInvalidError("policy.yaml", f"{self._where}:{line} {reason}")
