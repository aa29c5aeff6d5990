"""Argument rules, in one place: each error names the argument and the rule, never the value."""

from __future__ import annotations

import json
import math
import os
import unicodedata
from datetime import UTC, datetime
from typing import Any, Final

from vault.errors import InvalidInputError
from vault.filters import skeleton
from vault.types import Content, Message, Metadata, Scope

ID_BYTES: Final = 256
NOTE_BYTES: Final = 65_536  # of a signed checkpoint
ROLES: Final = frozenset({"user", "assistant", "tool", "system", "developer"})
SYSTEM_ROLES: Final = frozenset({"system", "developer"})
# Names that answers use for system fields: metadata that carried them could pass for scope, time or identity.
SYSTEM_FIELDS: Final = frozenset(
    [
        "id",
        "memory_id",
        "user_id",
        "agent_id",
        "app_id",
        "run_id",
        "actor_id",
        "tenant",
        "tenant_id",
        "principal",
        "purpose",
        "created_at",
        "updated_at",
        "expires_at",
        "expiration_date",
        "version",
        "hash",
        "score",
        "text",
        "memory",
        "data",
        "role",
        "name",
        "event",
        "deleted",
        "is_deleted",
        "sid",
        "kid",
    ]
)
_SYSTEM_SKELETONS: Final = frozenset(name.replace("_", "") for name in SYSTEM_FIELDS)
_ALLOWED_CONTROLS: Final = frozenset("\t\n\r")
_WILDCARDS: Final = "*% "


def _utf8_bytes(value: str) -> int | None:
    """Length as UTF-8, None for a lone surrogate: an error raised inside `except` would carry the text along."""
    try:
        return len(value) if value.isascii() else len(value.encode())
    except UnicodeEncodeError:
        return None


def identifier(name: str, value: object) -> str | None:
    """A scope id: NFC, at most 256 bytes, no control or format characters, no wildcard; None stays None."""
    if value is None:
        return None
    if not isinstance(value, str):
        raise InvalidInputError(
            "scope.type", f"{name} must be a text; lists and operators are not scope values"
        )
    if not value or value.isspace():
        raise InvalidInputError("scope.empty", f"{name} is empty; leave it out instead")
    normal = unicodedata.normalize("NFC", value)
    if not unicodedata.normalize("NFKC", normal).strip(_WILDCARDS):
        raise InvalidInputError("scope.wildcard", f"{name} is a wildcard; name one id")
    size = _utf8_bytes(normal)
    if size is None:
        raise InvalidInputError("scope.unicode", f"{name} is not valid Unicode")
    if size > ID_BYTES:
        raise InvalidInputError("scope.length", f"{name} is longer than {ID_BYTES} bytes")
    if any(unicodedata.category(c) in {"Cc", "Cf", "Cs", "Zl", "Zp"} for c in normal):
        raise InvalidInputError("scope.control", f"{name} contains control or invisible characters")
    return normal


def scope(
    *, user_id: object = None, agent_id: object = None, app_id: object = None, run_id: object = None
) -> Scope:
    """The four scope ids; at least one must be given."""
    checked = Scope(
        identifier("user_id", user_id),
        identifier("agent_id", agent_id),
        identifier("app_id", app_id),
        identifier("run_id", run_id),
    )
    if checked.subject() is None:
        raise InvalidInputError("scope.missing", "give at least one of user_id, agent_id, app_id, run_id")
    return checked


def text(name: str, value: object, limit: int) -> str:
    """A text: not blank, valid Unicode, no control characters but tab and line ends, at most `limit` UTF-8 bytes."""
    if not isinstance(value, str):
        raise InvalidInputError("text.type", f"{name} must be a text")
    if not value or value.isspace():
        raise InvalidInputError("text.empty", f"{name} is empty")
    size = _utf8_bytes(value)
    if size is None:
        raise InvalidInputError("text.unicode", f"{name} is not valid Unicode")
    if size > limit:
        raise InvalidInputError("text.length", f"{name} is longer than {limit} bytes")
    if not value.isprintable():
        if any(c not in _ALLOWED_CONTROLS and unicodedata.category(c) == "Cc" for c in value):
            raise InvalidInputError("text.control", f"{name} contains control characters")
        if all(c.isspace() or unicodedata.category(c) == "Cf" for c in value):
            raise InvalidInputError("text.empty", f"{name} holds only invisible characters")
    return value


def reason(value: object) -> str | None:
    if value is None:
        return None
    return text("reason", value, 1_024)


def required_reason(value: object) -> str:
    if value is None:
        raise InvalidInputError("reason.missing", "give a reason; it is kept in the log")
    return text("reason", value, 1_024)


def messages(content: Content, limit: int, most: int) -> tuple[list[Message], int]:
    """Messages to store, and how many system messages were left out."""
    if isinstance(content, str):
        return [{"content": text("content", content, limit)}], 0
    parts = [content] if isinstance(content, dict) else content
    if not isinstance(parts, list):
        raise InvalidInputError("content.type", "content must be a text, a message or a list of messages")
    if not parts:
        raise InvalidInputError("content.empty", "content holds no message")
    if len(parts) > most:
        raise InvalidInputError("content.count", f"content holds more than {most} messages")
    found: list[Message] = []
    skipped = 0
    for part in parts:
        checked = _message(part, limit)
        if checked.get("role") in SYSTEM_ROLES:
            skipped += 1
        else:
            found.append(checked)
    if not found:
        raise InvalidInputError("content.empty", "content holds only system messages")
    return found, skipped


def _message(part: object, limit: int) -> Message:
    if not isinstance(part, dict):
        raise InvalidInputError("content.message", "a message must be an object with role and content")
    if set(part) - {"role", "content", "name"}:
        raise InvalidInputError("content.field", "a message has fields other than role, content and name")
    role = part.get("role")
    if role is not None and not (isinstance(role, str) and role in ROLES):
        raise InvalidInputError(
            "content.role", "a message's role is not one of user, assistant, tool, system, developer"
        )
    checked: Message = {"content": text("content", part.get("content"), limit)}
    if role is not None:
        checked["role"] = role
    if part.get("name") is not None:
        checked["name"] = text("name", part["name"], ID_BYTES)
    return checked


def metadata(value: object, limit: int) -> Metadata:
    """A JSON object whose keys do not imitate system fields; at most `limit` bytes as JSON."""
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise InvalidInputError("metadata.type", "metadata must be an object")
    _metadata_value(value, depth=0)
    for key in value:
        if skeleton(key) in _SYSTEM_SKELETONS:
            raise InvalidInputError("metadata.system", "a metadata key names a system field")
    size = _utf8_bytes(json.dumps(value, ensure_ascii=False, allow_nan=False))
    if size is None:
        raise InvalidInputError("metadata.unicode", "metadata is not valid Unicode")
    if size > limit:
        raise InvalidInputError("metadata.length", f"metadata is longer than {limit} bytes as JSON")
    return value


def _metadata_value(value: Any, depth: int) -> None:
    if depth > 8:
        raise InvalidInputError("metadata.depth", "metadata is nested deeper than 8 levels")
    if isinstance(value, dict):
        for key, item in value.items():
            if not isinstance(key, str) or not key or len(key) > ID_BYTES:
                raise InvalidInputError(
                    "metadata.key", "a metadata key must be a text of 1 to 256 characters"
                )
            if any(unicodedata.category(c) in {"Cc", "Cs"} for c in key):
                raise InvalidInputError("metadata.control", "a metadata key contains control characters")
            _metadata_value(item, depth + 1)
    elif isinstance(value, list):
        for item in value:
            _metadata_value(item, depth + 1)
    elif isinstance(value, float):
        if not math.isfinite(value):
            raise InvalidInputError("metadata.number", "a metadata number is not finite")
    elif isinstance(value, str):
        if any(c not in _ALLOWED_CONTROLS and unicodedata.category(c) in {"Cc", "Cs"} for c in value):
            raise InvalidInputError("metadata.control", "a metadata text contains control characters")
    elif isinstance(value, int) and not isinstance(value, bool):
        if abs(value) > 2**63 - 1:
            raise InvalidInputError("metadata.number", "a metadata number is too large")
    elif value is not None and not isinstance(value, bool):
        raise InvalidInputError(
            "metadata.value", "metadata values must be texts, numbers, booleans, null, lists or objects"
        )


def expires_at(value: object, now: datetime) -> datetime | None:
    """An aware time in the future."""
    if value is None:
        return None
    if not isinstance(value, datetime) or value.tzinfo is None:
        raise InvalidInputError("expires_at.type", "expires_at must be a datetime with a time zone")
    try:
        moment = value.astimezone(UTC)
    except (OverflowError, ValueError):
        raise InvalidInputError("expires_at.range", "expires_at is out of range") from None
    if moment <= now:
        raise InvalidInputError("expires_at.past", "expires_at is not in the future")
    return moment


def since(value: object) -> datetime | None:
    """A time with a zone, in UTC, from which on something is asked for; None is from the beginning."""
    if value is None:
        return None
    if not isinstance(value, datetime) or value.tzinfo is None:
        raise InvalidInputError("since.type", "since must be a datetime with a time zone")
    try:
        return value.astimezone(UTC)
    except (OverflowError, ValueError):
        raise InvalidInputError("since.range", "since is out of range") from None


def idempotency_key(value: object) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str) or not 8 <= len(value) <= 128 or not value.isprintable():
        raise InvalidInputError(
            "idempotency_key.form", "idempotency_key must be 8 to 128 printable characters"
        )
    return value


def limit(value: object, most: int, name: str = "limit") -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= most:
        raise InvalidInputError(f"{name}.range", f"{name} must be a whole number from 1 to {most}")
    return value


def threshold(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
        raise InvalidInputError("threshold.range", "threshold must be a number from 0 to 1")
    return float(value)


def days(name: str, value: object, most: int) -> float | None:
    """A span in days, above 0; None stays None."""
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= most:
        raise InvalidInputError(f"{name}.range", f"{name} must be a number of days, above 0 and up to {most}")
    return float(value)


def identifiers(name: str, value: object) -> list[str]:
    """A list of scope ids, each once."""
    if not isinstance(value, list | tuple):
        raise InvalidInputError(f"{name}.type", f"{name} must be a list of ids")
    if not value:
        raise InvalidInputError(f"{name}.empty", f"{name} names nobody")
    found = [identifier(f"each of {name}", one) for one in value]
    if any(one is None for one in found):
        raise InvalidInputError("scope.missing", f"each of {name} must be an id")
    return list(dict.fromkeys(one for one in found if one is not None))


def path(name: str, value: object) -> str:
    """A path the operating system can hold; the error names the argument, since paths may hold names."""
    try:
        text = os.fspath(value)  # type: ignore[call-overload]
        encoded = os.fsencode(text) if isinstance(text, str) else b""
    except (TypeError, UnicodeEncodeError):
        encoded = b""
    if not encoded or b"\0" in encoded:
        raise InvalidInputError("path.form", f"{name} must be a path")
    return str(text)


def notes(name: str, value: object) -> list[bytes]:
    """A list of signed notes, as bytes; what they say is checked where they are opened."""
    if not isinstance(value, list | tuple) or not all(isinstance(one, bytes) for one in value):
        raise InvalidInputError(f"{name}.type", f"{name} must be a list of signed checkpoints, as bytes")
    if any(not 0 < len(one) <= NOTE_BYTES for one in value):
        raise InvalidInputError(f"{name}.length", f"a checkpoint in {name} has 1 to {NOTE_BYTES} bytes")
    return list(value)


def callback(name: str, value: object) -> None:
    """Something that can be called, or None; checked before the work whose progress it is told."""
    if value is not None and not callable(value):
        raise InvalidInputError(f"{name}.type", f"{name} must be callable")


def reranker(value: object) -> None:
    """A re-ranker has a method `scores`; None is none."""
    if value is not None and not callable(getattr(value, "scores", None)):
        raise InvalidInputError("reranker.type", "reranker must have a method scores(question, texts)")


def flag(name: str, value: object) -> bool:
    if not isinstance(value, bool):
        raise InvalidInputError(f"{name}.type", f"{name} must be true or false")
    return value
