"""Where answers go: one JSON document, or lines and tables for a person; errors and progress to standard error."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import fields, is_dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from vault.types import Memory

WIDTH: Final = 100  # columns where the output is no terminal
# Control and direction characters could make a terminal show something else than what is stored.
_UNSAFE: Final = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\u2028\u2029]"
)
TOKEN: Final = re.compile(r"\[[A-Z][A-Z0-9_]*:[0-9a-z]{4,}\]")
SIGNS: Final = {"ok": ("ok", "green"), "warn": ("warn", "yellow"), "fail": ("FAIL", "bold red")}


def plain(value: object) -> object:
    """A record as JSON types: dataclasses become objects, times ISO 8601, paths texts."""
    if is_dataclass(value) and not isinstance(value, type):
        return {f.name: plain(getattr(value, f.name)) for f in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(item) for item in value]
    if isinstance(value, datetime):
        return value.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    if isinstance(value, Path):
        return str(value)
    return value


def safe(text: str) -> str:
    """The text with characters that steer a terminal made visible."""
    return _UNSAFE.sub("\ufffd", text)


def when(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%d %H:%M")


def size(count: int) -> str:
    """Bytes for people."""
    value = float(count)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if value < 1024 or unit == "GiB":
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1024
    return str(count)


Report = Callable[[int, int | None], None]


class Output:
    """Standard output of one command."""

    def __init__(self, *, as_json: bool) -> None:
        self.as_json = as_json

    @cached_property
    def console(self) -> Console:
        return console()

    def show(self, data: object, draw: Callable[[Console], None]) -> None:
        """`data` as one JSON document, or what `draw` makes of it."""
        if self.as_json:
            # ASCII only, so that no locale can break it and no terminal is steered by it
            sys.stdout.write(json.dumps(plain(data), indent=2) + "\n")
        else:
            draw(self.console)

    @contextmanager
    def progress(self, what: str, total: int | None = None) -> Iterator[Report]:
        """A bar on standard error where a person watches; the result takes (done, total)."""
        if self.as_json or not sys.stderr.isatty():
            yield _unseen
            return
        from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

        columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
        with Progress(*columns, console=console(stderr=True), transient=True) as bar:
            task = bar.add_task(what, total=total)

            def report(done: int, of: int | None) -> None:
                bar.update(task, completed=done, total=of if of is not None else total)

            yield report


def _unseen(_done: int, _total: int | None) -> None:
    """Progress that nobody watches."""


def console(*, stderr: bool = False, width: int | None = None) -> Console:
    """A console that takes text as it is: brackets are no markup, colons no emoji."""
    from rich.console import Console

    stream = sys.stderr if stderr else sys.stdout
    return Console(
        file=stream,
        markup=False,
        emoji=False,
        highlight=False,
        width=width or (None if stream.isatty() else WIDTH),
    )


def line(screen: Console, *parts: str | tuple[str, str]) -> None:
    """One line, never wrapped: what is piped stays one line."""
    from rich.text import Text

    screen.print(
        Text.assemble(*(safe(p) if isinstance(p, str) else (safe(p[0]), p[1]) for p in parts)), soft_wrap=True
    )


def stored(text: str) -> Text:
    """Stored text with its tokens picked out."""
    from rich.text import Text

    shown = Text(safe(text))
    shown.highlight_regex(TOKEN, "cyan")
    return shown


def memory(screen: Console, found: Memory, *, score: float | None = None, whose: bool = False) -> None:
    """A memory on two lines: what it says, and which one it is; `whose` names the user too."""
    from rich.text import Text

    lead = Text(f"{score:.2f}  ", "bold green") if score is not None else Text()
    pad = " " * len(lead)
    screen.print(lead + stored(found.text), soft_wrap=True)
    facts = [found.id, when(found.updated_at), f"v{found.version}"]
    facts += [f"{kind} {value}" for kind, value in scope(found).items() if whose or kind != "user"]
    facts += [f"{label} {value}" for label, value in (("role", found.role), ("name", found.name)) if value]
    facts += [f"expires {when(found.expires_at)}"] if found.expires_at else []
    line(screen, (pad + "  ".join(facts), "dim"))
    if found.metadata:
        screen.print(Text(pad) + stored(json.dumps(found.metadata, ensure_ascii=False)), soft_wrap=True)


def scope(found: Memory) -> dict[str, str]:
    ids = {"user": found.user_id, "agent": found.agent_id, "app": found.app_id, "run": found.run_id}
    return {kind: value for kind, value in ids.items() if value is not None}


def table(*columns: str, right: tuple[str, ...] = ()) -> Table:
    """A table without lines, for few columns."""
    from rich.table import Table

    made = Table(box=None, pad_edge=False, header_style="bold", show_edge=False)
    for column in columns:
        made.add_column(column, justify="right" if column in right else "left", overflow="fold")
    return made


def cells(*values: object) -> tuple[str, ...]:
    return tuple(safe("" if value is None else str(value)) for value in values)


def facts(screen: Console, values: Mapping[str, Any]) -> None:
    """Names and values, one a line; what is nested goes on the same line."""
    width = max((len(name) for name in values), default=0)
    for name, value in values.items():
        shown = plain(value)
        if isinstance(shown, dict):
            shown = ", ".join(f"{key} {item}" for key, item in shown.items())
        elif isinstance(shown, list):
            shown = ", ".join(str(item) for item in shown)
        line(screen, (name.replace("_", " ").ljust(width) + "  ", "bold"), str(shown))


def error(code: str, message: str, *, as_json: bool) -> None:
    """An error on standard error: a code and a sentence, never content."""
    if as_json:
        sys.stderr.write(json.dumps({"error": {"code": code, "message": message}}) + "\n")
        return
    from rich.text import Text

    console(stderr=True).print(
        Text.assemble(("error: ", "bold red"), safe(message), (f" [{code}]", "dim")), soft_wrap=True
    )
