"""Bad values by kind of argument, each with the error class and the stable code it must give.

Every value carries `CANARY` or `NUMBER` where it can, so that an error that quotes what it was given is seen to.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

from vault import Principal, VaultError
from vault.errors import ConfigError, InvalidInputError, NotFoundError, PurposeDeniedError
from vault.flows.validate import SYSTEM_FIELDS

CANARY = "Quorzil-77-vembrath"
NUMBER = 77_314_242
TEXT_LIMIT, METADATA_LIMIT, MESSAGES_LIMIT, RESULTS_LIMIT = 65_536, 16_384, 1_000, 1_000


_UUID = "7f9c24e8-3b12-4fef-91e0-5a0b93c1d2e4"


class Odd:
    """Something no argument takes; its repr must not be asked for."""

    def __repr__(self) -> str:
        return CANARY


@dataclass(frozen=True)
class Bad:
    """One bad value, and what must become of it."""

    label: str
    value: Any
    code: str
    error: type[VaultError] = InvalidInputError


def table(code: str, values: dict[str, Any], error: type[VaultError] = InvalidInputError) -> list[Bad]:
    return [Bad(label, value, code, error) for label, value in values.items()]


def wrong_types(*allowed: type) -> dict[str, Any]:
    """A value of each type that no text is, less those that are allowed."""
    every = {
        "an int": NUMBER, "a float": float(NUMBER), "a bool": True, "bytes": CANARY.encode(),
        "a bytearray": bytearray(CANARY.encode()), "a list": [CANARY], "a dict": {CANARY: CANARY},
        "a tuple": (CANARY,), "a set": {CANARY}, "an object": Odd(), "a class": Odd, "a time": datetime.now(UTC),
    }  # fmt: skip
    return {label: value for label, value in every.items() if not isinstance(value, allowed or ())}


_CONTROLS = {
    "a NUL": f"{CANARY}\0", "a bell": f"\a{CANARY}", "an escape": f"\x1b[31m{CANARY}", "a DEL": f"{CANARY}\x7f",
    "a C1 control": f"{CANARY}\x85{CANARY}",
}  # fmt: skip
_SURROGATES = {"a lone high surrogate": f"{CANARY}\ud83d", "a lone low surrogate": f"\udc00{CANARY}"}
_BLANK = {"empty": "", "blanks": "   ", "white space": " \t\r\n\u3000"}


def texts(limit: int, *, types: bool = True) -> list[Bad]:
    """A text of at most `limit` UTF-8 bytes."""
    long = {
        "limit + 1": CANARY.ljust(limit + 1, "x"),
        "limit + 1 in bytes": CANARY + "é" * ((limit - len(CANARY)) // 2 + 1),
        "far too long": CANARY * limit,
    }
    return [
        *(table("text.type", wrong_types()) if types else ()),
        *table("text.empty", {**_BLANK, "invisible": "\u200b\u2060 \ufeff"}),
        *table("text.length", long),
        *table("text.control", _CONTROLS),
        *table("text.unicode", _SURROGATES),
    ]


def scopes(prefix: str = "scope") -> list[Bad]:
    """A scope id, a tenant's name or a principal's id."""
    operators = {
        "an operator": {"$ne": CANARY},
        "a list operator": {"in": [CANARY]},
        "a wildcard list": ["*"],
        "an empty list": [],
        "an empty dict": {},
    }
    invisible = {
        "a line end": f"{CANARY}\n", "a zero-width space": f"{CANARY[:3]}\u200b{CANARY[3:]}",
        "an override": f"\u202e{CANARY}", "a line separator": f"{CANARY}\u2028", "a byte-order mark": f"\ufeff{CANARY}",
        "a soft hyphen": f"{CANARY}\u00ad",
    }  # fmt: skip
    return [
        *table(f"{prefix}.type", {**wrong_types(), **operators}),
        *table(f"{prefix}.empty", _BLANK),
        *table(
            f"{prefix}.wildcard",
            {f"wildcard {w!r}": w for w in ("*", "%", " * ", "**", "%%", "\uff0a", "* *")},
        ),
        *table(
            f"{prefix}.length", {"257 bytes": CANARY.ljust(257, "x"), "129 letters of two bytes": "é" * 129}
        ),
        *table(f"{prefix}.length", {"257 bytes once composed": "\u0958" * 64}),
        *table(f"{prefix}.control", {**_CONTROLS, **invisible}),
        *table(f"{prefix}.unicode", _SURROGATES),
    ]


# --- metadata -----------------------------------------------------------------------------------------------


def _nested(depth: int) -> dict[str, Any]:
    value: Any = CANARY
    for level in range(depth):
        value = {"a": value} if level % 2 else [value]
    return {"a": value}


def _cycle() -> dict[str, Any]:
    value: dict[str, Any] = {"a": CANARY}
    value["self"] = value
    return value


SPELLINGS = {
    "as it is": lambda name: name,
    "in capitals": str.upper,
    "with a capital": str.title,
    "with hyphens": lambda name: name.replace("_", "-"),
    "with blanks": lambda name: f" {name.replace('_', ' ')} ",
    "in camel case": lambda name: name[0] + name.title().replace("_", "")[1:],
    "with a leading underscore": lambda name: f"_{name}",
    "between underscores": lambda name: f"__{name}__",
    "full-width": lambda name: "".join(chr(ord(c) + 0xFEE0) if c.isalpha() else c for c in name),
    "with a zero-width space": lambda name: f"{name[:1]}\u200b{name[1:]}",
    "with a soft hyphen": lambda name: f"{name[:1]}\u00ad{name[1:]}",
    "with a Cyrillic letter": lambda name: name.translate(str.maketrans("aeopc", "аеорс")),
    "with a dot": lambda name: name.replace("_", "."),
}


def metadata() -> list[Bad]:
    """An object as JSON has it, that imitates no system field."""
    number = {
        "NaN": float("nan"), "Infinity": float("inf"), "-Infinity": float("-inf"), "2**63": 2**63,
        "-2**63 - 1": -(2**63) - 1, "400 digits": NUMBER * 10**400,
    }  # fmt: skip
    odd = {
        "bytes": CANARY.encode(), "a tuple": (CANARY,), "a set": {CANARY}, "a time": datetime.now(UTC),
        "a Decimal": Decimal(NUMBER), "an object": Odd(), "a complex number": complex(NUMBER),
    }  # fmt: skip
    keys: dict[str, Any] = {
        "an int": NUMBER, "None": None, "a bool": True, "bytes": CANARY.encode(), "empty": "",
        "257 letters": CANARY.ljust(257, "k"), "a tuple": (CANARY,),
    }  # fmt: skip
    wrap = {
        "": lambda v: {"a": v},
        " in a list": lambda v: {"a": [1, v]},
        " deep": lambda v: {"a": {"b": [{"c": v}]}},
    }
    everywhere = list(wrap.items())
    return [
        *table("metadata.type", wrong_types(dict)),
        *[
            bad
            for where, place in everywhere
            for bad in (
                *table("metadata.number", {f"{k}{where}": place(v) for k, v in number.items()}),
                *table("metadata.value", {f"{k}{where}": place(v) for k, v in odd.items()}),
                *table(
                    "metadata.control",
                    {f"{k}{where}": place(v) for k, v in (_CONTROLS | _SURROGATES).items()},
                ),
                *table("metadata.key", {f"key {k}{where}": place({v: CANARY}) for k, v in keys.items()}),
                *table(
                    "metadata.control",
                    {f"key with {k}{where}": place({v: 1}) for k, v in (_CONTROLS | _SURROGATES).items()},
                ),
            )
        ],
        *table(
            "metadata.depth",
            {"nine levels": _nested(9), "a hundred levels": _nested(100), "a cycle": _cycle()},
        ),
        *table(
            "metadata.length", {"limit + 1": {"a": CANARY.ljust(METADATA_LIMIT + 1 - len('{"a": ""}'), "x")}}
        ),
        *table("metadata.length", {"many keys": {f"{CANARY}{n}": n for n in range(1000)}}),
        *table(
            "metadata.system",
            {
                f"{field} {how}": {"source": CANARY, spell(field): CANARY}
                for field in sorted(SYSTEM_FIELDS)
                for how, spell in SPELLINGS.items()
            },
        ),
    ]


# --- everything else ----------------------------------------------------------------------------------------


def messages() -> list[Bad]:
    """A text, a message or a list of messages."""
    good = {"role": "user", "content": f"{CANARY} walks the dog every morning"}
    fields = {
        "an unknown field": {**good, "tenant": CANARY}, "a system field": {**good, "user_id": CANARY},
        "a tool call": {**good, "tool_calls": [CANARY]}, "a field that is no text": {**good, NUMBER: CANARY},
        "other fields only": {CANARY: CANARY},
    }  # fmt: skip
    roles = {
        "unknown": CANARY,
        "a list": [CANARY],
        "an int": NUMBER,
        "in capitals": "USER",
        "empty": "",
        "a bool": True,
    }
    within = [bad for bad in texts(TEXT_LIMIT) if bad.label not in ("far too long",)]
    return [
        *table("content.type", {"None": None, **wrong_types(list, dict)}),
        *table("content.field", fields),
        *table("content.role", {f"role {label}": {**good, "role": role} for label, role in roles.items()}),
        *table("content.message", {f"a list with {k}": [good, v] for k, v in wrong_types(dict).items()}),
        *table("content.message", {"a list of texts": [CANARY, CANARY], "a list with None": [None]}),
        *table("content.empty", {"no message": [], "system messages only": [{**good, "role": "system"}]}),
        *table("content.count", {"too many messages": [good] * (MESSAGES_LIMIT + 1)}),
        *table("text.type", {"a message without content": {"role": "user"}, "an empty message": {}}),
        *table(
            "text.type", {"a message with parts": {**good, "content": [{"type": "text", "text": CANARY}]}}
        ),
        *[Bad(f"a message: {b.label}", {**good, "content": b.value}, b.code) for b in within],
        *[Bad(f"a list: {b.label}", [good, {**good, "content": b.value}], b.code) for b in within],
        *[Bad(f"a name: {b.label}", [good, {**good, "name": b.value}], b.code) for b in texts(256)],
        *texts(TEXT_LIMIT, types=False),
    ]


def items() -> list[Bad]:
    """An iterable of objects for `add_many`; a bad item among good ones refuses the batch."""
    good = {"content": f"{CANARY} prefers tea to coffee", "user_id": "pat-42"}
    bad_items = [
        *table("item.type", {**wrong_types(dict), "None": None}),
        *table(
            "item.field", {name: {**good, name: CANARY} for name in ("tenant", "id", "infer", "text", CANARY)}
        ),
        *table("item.field", {"a field that is no text": {**good, NUMBER: CANARY}}),
        *table("scope.missing", {"no scope": {"content": CANARY}, "scope None": {**good, "user_id": None}}),
        *table(
            "content.type", {"no content": {"user_id": "pat-42"}, "content None": {**good, "content": None}}
        ),
        *[Bad(f"user_id {b.label}", {**good, "user_id": b.value}, b.code) for b in scopes()],
        *[Bad(f"metadata {b.label}", {**good, "metadata": b.value}, b.code) for b in metadata()[::7]],
        *[Bad(f"expires_at {b.label}", {**good, "expires_at": b.value}, b.code) for b in times("expires_at")],
        *[Bad(f"idempotency_key {b.label}", {**good, "idempotency_key": b.value}, b.code) for b in keys()],
    ]
    return [
        *table("items.type", {"None": None, **wrong_types(list, tuple, set)}),
        *[Bad(f"an item: {b.label}", [good, b.value, good], b.code) for b in bad_items],
    ]


def times(name: str) -> list[Bad]:
    """A time with a zone; for an expiry in the future too."""
    east, west = timezone(timedelta(hours=14)), timezone(timedelta(hours=-12))
    found = [
        *table(
            f"{name}.type",
            {**wrong_types(datetime), "a text": f"2031-01-01 {CANARY}", "a date": date(2031, 1, 1)},
        ),
        *table(f"{name}.type", {"naive": datetime(2031, 1, 1), "naive and far": datetime.max}),  # noqa: DTZ001, DTZ901
        *table(f"{name}.range", {"before year 1": datetime.min.replace(tzinfo=east)}),
        *table(f"{name}.range", {"after year 9999": datetime.max.replace(tzinfo=west)}),
    ]
    if name == "expires_at":
        past = {
            "year 1": datetime.min.replace(tzinfo=UTC),
            "yesterday": datetime.now(UTC) - timedelta(days=1),
        }
        found += table("expires_at.past", {**past, "now": datetime.now(UTC)})
    return found


def keys() -> list[Bad]:
    """An idempotency key: 8 to 128 printable characters."""
    form = {
        "7 characters": "Quorzil",
        "129 characters": CANARY.ljust(129, "x"),
        "empty": "",
        "a line end": f"{CANARY}\n",
    }
    return table("idempotency_key.form", {**wrong_types(), **form, **_CONTROLS, **_SURROGATES})


def numbers(name: str, most: int) -> list[Bad]:
    """A whole number from 1 to `most`."""
    values = {
        "zero": 0,
        "negative": -NUMBER,
        "too large": most + 1,
        "huge": NUMBER * 10**40,
        "a whole float": 5.0,
    }
    return table(
        f"{name}.range", {**wrong_types(int), "a bool": True, "None": None, "digits": str(NUMBER), **values}
    )


def thresholds() -> list[Bad]:
    values = {
        "below": -0.01,
        "above": 1.01,
        "NaN": float("nan"),
        "Infinity": float("inf"),
        "huge": NUMBER * 10**40,
    }
    return table("threshold.range", {**wrong_types(float), "None": None, "digits": "0.5", **values})


def days(name: str, most: int) -> list[Bad]:
    """A number of days above 0."""
    values = {
        "zero": 0,
        "negative": -0.5,
        "too many": most + 0.5,
        "NaN": float("nan"),
        "Infinity": float("inf"),
        "huge": NUMBER * 10**40,
    }
    return table(f"{name}.range", {**wrong_types(int, float), "a bool": True, "digits": "30", **values})


def flags(name: str) -> list[Bad]:
    values = {"zero": 0, "one": 1, "None": None, "a word": CANARY, "yes": "true"}
    return table(f"{name}.type", {**wrong_types(bool), **values})


def callbacks() -> list[Bad]:
    callable_ones = ("a class",)
    values = {k: v for k, v in wrong_types().items() if k not in callable_ones}
    return table("progress.type", {**values, "a text": CANARY})


def one_of(code: str, *near: Any) -> list[Bad]:
    """One word of a list."""
    return table(
        code,
        {**wrong_types(), "None": None, "empty": "", "unknown": CANARY, **{f"near {n!r}": n for n in near}},
    )


def filters() -> list[Bad]:
    deep: dict[str, Any] = {"a": CANARY}
    for _ in range(9):
        deep = {"AND": [deep]}
    cycle: dict[str, Any] = {}
    cycle["AND"] = [cycle]
    return [
        *table("filters.type", {**wrong_types(dict), "a text": CANARY, "an empty list": [], "zero": 0}),
        *table("filters.type", {"AND of a dict": {"AND": {"a": CANARY}}, "OR of texts": {"OR": [CANARY]}}),
        *table(
            "filters.type",
            {"a value of bytes": {"a": CANARY.encode()}, "a value in a list": {"a": [[CANARY]]}},
        ),
        *table(
            "filters.type",
            {"in without a list": {"a": {"in": CANARY}}, "exists of a word": {"a": {"exists": CANARY}}},
        ),
        *table(
            "filters.empty",
            {"AND of nothing": {"AND": []}, "no operator": {"a": {}}, "an empty member": {"OR": [{}]}},
        ),
        *table("filters.key", {"an int": {NUMBER: CANARY}, "empty": {"": CANARY}, "None": {None: CANARY}}),
        *table("filters.operator", {"unknown": {"a": {CANARY: 1}}, "of MongoDB": {"a": {"$ne": CANARY}}}),
        *table(
            "filters.value",
            {"NaN": {"a": float("nan")}, "huge": {"a": NUMBER * 10**40}, "a time": {"created_at": CANARY}},
        ),
        *table(
            "filters.value",
            {"a surrogate": {"a": f"{CANARY}\ud800"}, "a surrogate key": {f"{CANARY}\ud800": 1}},
        ),
        *table("filters.depth", {"nine levels": deep, "a cycle": cycle}),
        *table(
            "filters.size",
            {"a long text": {"a": CANARY.ljust(4097, "x")}, "many values": {"a": list(range(1001))}},
        ),
        *table("filters.size", {"many conditions": {f"{CANARY}{n}": n for n in range(201)}}),
        *table(
            "filters.scope",
            {name: {name: CANARY} for name in ("user_id", "tenant", "USER-ID", "ｕｓｅｒ＿ｉｄ", "userId")},
        ),
        *table("filters.scope", {"nested": {"OR": [{"a": 1}, {"NOT": [{"user_id": "*"}]}]}}),
    ]


def memory_ids() -> list[Bad]:
    """Whatever is no id of a memory here is answered as absent, so that an answer tells nothing."""
    values = {
        "None": None, "empty": "", "a word": CANARY, "a UUID": _UUID, "long": CANARY * 9999, "a wildcard": "*",
        "without hyphens": _UUID.replace("-", ""), "full-width digits": f"\uff17{_UUID[1:]}",
        "a line end": f"{_UUID}\n",
        **_CONTROLS, **_SURROGATES,
    }  # fmt: skip
    return table("memory.unknown", {**wrong_types(), **values}, NotFoundError)


def case_ids(name: str) -> list[Bad]:
    """The id of a request or a hold: 32 hex digits."""
    forms = {
        "empty": "", "a word": CANARY, "a UUID": _UUID, "capitals": "AB" * 16, "too short": "0" * 31,
        "too long": "0" * 33,
        "full-width digits": "\uff10" * 32, "a line end": "0" * 32 + "\n", **_CONTROLS, **_SURROGATES,
    }  # fmt: skip
    return [*table(f"{name}.type", {**wrong_types(), "None": None}), *table(f"{name}.form", forms)]


def principals() -> list[Bad]:
    roles = {
        "a list": [CANARY], "a text": CANARY, "None": None, "a tuple of ints": (NUMBER,), "an empty word": ("",),
        "65 letters": (CANARY.ljust(65, "x"),), "beyond ASCII": (f"{CANARY}é",), "a NUL": (f"{CANARY}\0",),
    }  # fmt: skip
    names = {"reserved": "memvault:system", "reserved in capitals": f"MemVault:{CANARY}"}
    return [
        *table("principal.type", {**wrong_types(), "None": None, "a text": CANARY}),
        *table("principal.roles", {f"roles {k}": Principal(CANARY, CANARY, v) for k, v in roles.items()}),  # type: ignore[arg-type]
        *table("principal.missing", {"id None": Principal(CANARY, None)}),  # type: ignore[arg-type]
        *table("tenant.missing", {"tenant None": Principal(None, CANARY)}),  # type: ignore[arg-type]
        *table("tenant.reserved", {f"tenant {k}": Principal(v, CANARY) for k, v in names.items()}),
        *[Bad(f"id {b.label}", Principal(CANARY, b.value), b.code) for b in scopes()],
        *[Bad(f"tenant {b.label}", Principal(b.value, CANARY), b.code) for b in scopes()],
    ]


def purposes() -> list[Bad]:
    unknown = {
        "unknown": CANARY,
        "empty": "",
        "in capitals": "SERVICE",
        "with a blank": "service ",
        **_CONTROLS,
        **_SURROGATES,
    }
    return [
        *table("purpose.type", {**wrong_types(), "None": None}),
        *table("policy.purpose", unknown, PurposeDeniedError),
    ]


def tenant_names() -> list[Bad]:
    reserved = {"reserved": "memvault:system", "reserved in capitals": f"MEMVAULT:{CANARY}"}
    return [*scopes(), *table("tenant.missing", {"None": None}), *table("tenant.reserved", reserved)]


def paths() -> list[Bad]:
    values = {"bytes": CANARY.encode(), "empty": "", "a NUL": f"{CANARY}\0", **_SURROGATES}
    # Python decodes undecodable bytes of paths to low surrogates: those are real paths.
    del values["a lone low surrogate"]
    return table("path.form", {**wrong_types(), **values})


def token_names() -> list[Bad]:
    values = {"empty": "", "too long": "x" * 65, "a NUL": f"{CANARY}\0", "a line": f"{CANARY}\n"}
    return table("config.invalid", {**wrong_types(), **values}, ConfigError)


def passphrases() -> list[Bad]:
    values = {
        "the passphrase itself": CANARY,
        "no name": "env:",
        "no path": "file:",
        "another scheme": f"vault:{CANARY}",
    }
    return table("config.invalid", {**wrong_types(), **values, "empty": ""}, ConfigError)
