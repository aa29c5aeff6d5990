"""What a person types or pipes in becomes arguments of the library; errors name the option and the rule."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from vault.errors import InvalidInputError, NotFoundError

MOST_BYTES: Final = 1_048_576  # the largest limits.text_bytes the configuration accepts
_SPAN: Final = re.compile(r"(\d{1,5})([hdw])")
_UNITS: Final = {"h": "hours", "d": "days", "w": "weeks"}


def text(argument: str | None, file: Path | None) -> str:
    """A text: the argument, else the file, else standard input (also for `-`); one line end at the end is dropped."""
    if argument is not None and file is not None:
        raise InvalidInputError("text.twice", "give the text as an argument or as a file, not both")
    if argument is not None and argument != "-":
        return argument
    data = read_file(file, MOST_BYTES, "--file") if file is not None else _standard_input()
    found = decoded(data, "the text")
    return found.removesuffix("\n").removesuffix("\r")


def _standard_input() -> bytes:
    if sys.stdin.isatty():
        sys.stderr.write("Type the text; Ctrl-D on an empty line ends it.\n")
    data = sys.stdin.buffer.read(MOST_BYTES + 1)
    if len(data) > MOST_BYTES:
        raise InvalidInputError("text.length", f"standard input holds more than {MOST_BYTES} bytes")
    return data


def read_file(path: Path, most: int, option: str) -> bytes:
    """The bytes of a file of at most `most`; the errors name the option, not the path."""
    try:
        with path.open("rb") as file:
            data = file.read(most + 1)
    except FileNotFoundError:
        raise NotFoundError("file.missing", f"the file given with {option} does not exist") from None
    except OSError:
        raise InvalidInputError("file.unreadable", f"the file given with {option} cannot be read") from None
    if len(data) > most:
        raise InvalidInputError("file.length", f"the file given with {option} holds more than {most} bytes")
    return data


def decoded(data: bytes, what: str) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise InvalidInputError("text.encoding", f"{what} is not UTF-8") from None


def json_object(value: str | None, option: str) -> dict[str, Any] | None:
    """A JSON object given as it is, or as `@FILE`."""
    if value is None:
        return None
    if value.startswith("@"):
        value = decoded(read_file(Path(value[1:]), MOST_BYTES, option), f"the file given with {option}")
    parsed = parse_json(value, option)
    if not isinstance(parsed, dict):
        raise InvalidInputError("json.type", f"{option} must be a JSON object")
    return parsed


def parse_json(value: str, what: str) -> Any:
    """Strict JSON: no key twice, no NaN; raises InvalidInputError `json.syntax`."""
    try:
        return json.loads(value, object_pairs_hook=_once, parse_constant=_refuse)
    except (ValueError, RecursionError):
        raise InvalidInputError("json.syntax", f"{what} is not valid JSON") from None


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        raise ValueError
    return made


def _refuse(_name: str) -> float:
    raise ValueError


def expiry(value: str | None) -> datetime | None:
    """`30d` from now, or an ISO 8601 time."""
    return None if value is None else _moment(value, "--expires", 1)


def since(value: str | None) -> datetime | None:
    """`30d` ago, or an ISO 8601 time."""
    return None if value is None else _moment(value, "--since", -1)


def _moment(value: str, option: str, direction: int) -> datetime:
    span = _SPAN.fullmatch(value)
    if span:
        return datetime.now(UTC) + direction * timedelta(**{_UNITS[span[2]]: int(span[1])})
    return iso_time(value, option)


def iso_time(value: object, what: str) -> datetime:
    """An ISO 8601 date or time; without an offset it is UTC."""
    try:
        moment = datetime.fromisoformat(value if isinstance(value, str) else "")
    except ValueError:
        raise InvalidInputError(
            "time.form", f"{what} must be an ISO 8601 time, or a span such as 12h, 30d, 4w"
        ) from None
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)


def scope_ids(
    user: str | None, agent: str | None, app: str | None, run: str | None
) -> Mapping[str, str | None]:
    return {"user_id": user, "agent_id": agent, "app_id": app, "run_id": run}
