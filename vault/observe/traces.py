"""Exceptions reduced to what the code itself says: types, our codes, our frames.

No message, no argument, no local variable, no source line and no path. A type is named where it stands under that name
in a loaded module, else its nearest base that does. Frames of other packages are counted.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from types import TracebackType
from typing import Final

import vault.errors
from vault.observe.codes import CODES

_PACKAGE: Final = Path(vault.errors.__file__).parent
_MOST: Final = 50  # types of a chain, and frames


class Where(Enum):
    """Who caught the exception."""

    MAIN = "main"
    THREAD = "thread"
    TASK = "task"
    UNRAISABLE = "unraisable"
    WARNING = "warning"
    COMMAND = "command"
    LOGGED = "logged"


@dataclass(frozen=True, slots=True)
class Trace:
    """One exception with its causes, outermost first, and the frames of ours that it passed."""

    where: Where
    types: tuple[str, ...]
    codes: tuple[str, ...] = ()
    frames: tuple[str, ...] = ()
    others: int = 0

    def said(self) -> dict[str, object]:
        """As a log line holds it."""
        return {
            "where": self.where.value,
            "types": list(self.types),
            "codes": list(self.codes),
            "frames": list(self.frames),
            "frames_of_others": self.others,
        }


def trace(error: BaseException, where: Where, tb: TracebackType | None = None) -> Trace:
    """`error` reduced; `tb` where it is not the exception's own."""
    types: list[str] = []
    codes: list[str] = []
    frames: list[str] = []
    others = 0
    for one in _chain(error):
        types.append(type_name(type(one)))
        if isinstance(one, vault.errors.VaultError):
            codes.append(one.code if one.code in CODES else "other")
        for frame in _frames(tb if one is error and tb is not None else one.__traceback__):
            if frame is None:
                others += 1
            else:
                frames.append(frame)
    return Trace(where, tuple(types), tuple(codes), tuple(frames[:_MOST]), others)


def type_name(kind: type) -> str:
    """A class by its full name, where that is the name it is found under."""
    for one in kind.__mro__:
        module = sys.modules.get(one.__module__) if isinstance(one.__module__, str) else None
        found: object = module
        for part in one.__qualname__.split("."):
            found = getattr(found, part, None)
        if found is one:
            return (
                one.__qualname__ if one.__module__ == "builtins" else f"{one.__module__}.{one.__qualname__}"
            )
    return "object"


def _chain(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    waiting: list[BaseException | None] = [error]
    while waiting and len(seen) < _MOST:
        one = waiting.pop(0)
        if one is None or id(one) in seen:
            continue
        seen.add(id(one))
        yield one
        waiting.append(one.__cause__ or (None if one.__suppress_context__ else one.__context__))
        if isinstance(one, BaseExceptionGroup):
            waiting += one.exceptions


def _frames(tb: TracebackType | None) -> Iterator[str | None]:
    """Ours as `module:line function`, None for each of another package."""
    while tb is not None:
        code = tb.tb_frame.f_code
        path = Path(code.co_filename)
        if path.is_relative_to(_PACKAGE):
            module = ".".join(("vault", *path.relative_to(_PACKAGE).with_suffix("").parts))
            yield f"{module}:{tb.tb_lineno} {code.co_qualname}"
        else:
            yield None
        tb = tb.tb_next
