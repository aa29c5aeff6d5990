"""Putting values back in the place of tokens: by reason, for the classes the pack lets a role see, and logged first."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace

from vault.errors import DeniedError
from vault.flows import validate
from vault.flows.bodies import open_body, to_memory
from vault.flows.change import find_visible
from vault.flows.context import Call, Caller, Stages, calling
from vault.flows.scope import LOGGED_IDS, Found
from vault.flows.sign import sign_if_due
from vault.flows.tokens import TokenMap
from vault.observe.calls import stage
from vault.observe.words import Stage
from vault.policy.decide import Request
from vault.redaction.operators import find_tokens, unescape_tokens
from vault.types import Memory, Metadata, MetadataValue


def reveal(stages: Stages, caller: Caller, memory_id: object, *, reason: object) -> Memory:
    """One memory with the values the pack lets this role see; every reveal is logged by class and count."""
    with calling(stages, caller, "memory.reveal") as call:
        why = validate.required_reason(reason)
        row, subject = find_visible(call, memory_id)
        with stage(Stage.OPEN):
            memory = to_memory(call.tenant, row, open_body(call.tenant, subject, row))
        (shown,) = revealed(call, Found(subject, row.s, {}), [memory], why)
    return shown


def reveal_reason(call: Call, value: object) -> str | None:
    """`reveal=` asks for values in bulk: only with a reason, and only where the pack permits `memory.reveal`."""
    if value is None:
        return None
    why = validate.required_reason(value)
    request = Request(action="memory.reveal", purpose=call.caller.purpose, roles=call.caller.principal.roles)
    decision = call.stages.policy.decide(request)
    if not decision.permit:
        call.log_read(call.event(action="memory.reveal", result="denied", reason=why))
        raise DeniedError(
            "policy.denied", f"the policy pack does not permit revealing values ({decision.rule})"
        )
    return why


def revealed(call: Call, found: Found, memories: list[Memory], why: str | None) -> list[Memory]:
    """Put values back for the classes this role may see; others stay tokens. Logged before it is answered."""
    if why is None or not memories:
        return memories
    with stage(Stage.REVEAL):
        return _revealed(call, found, memories, why)


def _revealed(call: Call, found: Found, memories: list[Memory], why: str) -> list[Memory]:
    allowed = call.stages.policy.reveal_classes(call.caller.principal.roles, call.caller.purpose)
    tokens = TokenMap(call.tenant, found.subject, call.records, found.s)
    counts: Counter[str] = Counter()

    def put_back(text: str) -> str:
        pieces, position = [], 0
        for start, end, token in find_tokens(text):
            known = tokens.value(token)
            if known is None or known[0] not in allowed:
                continue
            counts[known[0]] += 1
            pieces += [unescape_tokens(text[position:start]), known[1]]
            position = end
        return "".join([*pieces, unescape_tokens(text[position:])])

    shown = [
        replace(
            m,
            text=put_back(m.text),
            name=put_back(m.name) if m.name else m.name,
            metadata=map_metadata(m.metadata, put_back),
        )
        for m in memories
    ]
    ids_shown = [m.id for m in memories]
    event = call.event(
        action="memory.reveal",
        count=sum(counts.values()),
        object_id=ids_shown[0] if len(ids_shown) == 1 else "",
        ids=ids_shown[:LOGGED_IDS],
        reason=why,
        classes=dict(counts),
    )
    call.log_read(event, found.subject, found.s)
    sign_if_due(call)
    return shown


def map_metadata(metadata: Metadata, change: Callable[[str], str]) -> Metadata:
    """The same metadata with every text and every key changed."""

    def walk(value: MetadataValue) -> MetadataValue:
        if isinstance(value, str):
            return change(value)
        if isinstance(value, list):
            return [walk(item) for item in value]
        if isinstance(value, dict):
            return {change(key): walk(item) for key, item in value.items()}
        return value

    changed = walk(metadata)
    return changed if isinstance(changed, dict) else metadata
