"""The vault's operators under Presidio's `AnonymizerEngine`.

    operators = configs({"CREDIT_CARD": "mask"}, "drop")
    anonymizer().anonymize(text, results, operators=operators, merge_entities_with_spaces=False)

A token needs `assign`, which answers the token of a value (`EMAIL:k7q2m9`) and keeps what is behind it; a shift needs
the subject's number of `days`. Needs the extra `memvault[presidio]`; the vault does not import this module. Presidio
leaves text that looks like a token as it is: whoever stores the result as a memory escapes it first
(`operators.escape_tokens`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from presidio_anonymizer import AnonymizerEngine
from presidio_anonymizer.entities import InvalidParamError, OperatorConfig
from presidio_anonymizer.operators import Operator, OperatorType

from vault.redaction.operators import OPERATORS, Redacted, plan, shifted
from vault.redaction.taxonomy import label
from vault.types import Finding

PREFIX = "memvault_"

Assign = Callable[[str, str, str], str]  # label, class, value -> token without brackets


class _VaultOperator(Operator):
    """One of the vault's operators; every value goes through `operators.plan`, as in the vault."""

    name: ClassVar[str]

    def operate(self, text: str, params: dict[str, Any] | None = None) -> str:
        """What takes the place of a value. Raises RejectedError for what is blocked."""
        given = params or {}
        entity = str(given.get("entity_type", ""))
        (part,) = plan(text, [Finding(entity, 0, len(text), 1.0, "presidio")], {entity: self.name}) or [""]
        if isinstance(part, str):
            return part
        if part.replacement is not None:
            return part.replacement
        return _assigned(part, given)

    def validate(self, params: dict[str, Any] | None = None) -> None:
        """Raises InvalidParamError where what the operator needs was not handed in."""
        given = params or {}
        if self.name == "token" and not callable(given.get("assign")):
            raise InvalidParamError("a token needs `assign`")
        if self.name == "shift" and not (isinstance(given.get("days"), int) and given["days"]):
            raise InvalidParamError("a shift needs `days`, a number that is not 0")

    def operator_name(self) -> str:
        return PREFIX + self.name

    def operator_type(self) -> OperatorType:
        return OperatorType.Anonymize


def _assigned(part: Redacted, given: Mapping[str, Any]) -> str:
    if part.operator == "shift":
        return shifted(part, given["days"])
    return f"[{given['assign'](label(part.entity), part.entity, part.original)}]"


# Presidio makes an operator by calling its class without arguments: one class for each.
CLASSES: Mapping[str, type[_VaultOperator]] = {
    name: type(f"Vault{name.capitalize()}", (_VaultOperator,), {"name": name}) for name in sorted(OPERATORS)
}


_engine: Callable[[], Any] = AnonymizerEngine


def anonymizer() -> Any:
    """An AnonymizerEngine that knows the vault's operators as `memvault_token`, `memvault_mask` and so on."""
    engine: Any = _engine()
    for operator in CLASSES.values():
        engine.add_anonymizer(operator)
    return engine


def configs(
    operators: Mapping[str, str], default: str, *, assign: Assign | None = None, days: int | None = None
) -> dict[str, OperatorConfig]:
    """A pack's operators in the form `anonymize` takes; `default` is for classes that are not listed."""
    params = {"assign": assign, "days": days}
    named = {**operators, "DEFAULT": default}
    return {entity: OperatorConfig(PREFIX + operator, params) for entity, operator in named.items()}
