"""What an export says of itself: who, when, how much, under which rules, and what is not in it."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import version
from typing import Any, Final

from vault.audit.events import ACTIONS
from vault.exporting.files import ACCESS, FORMAT, MEMORIES, PARTS, TOKENS
from vault.exporting.partial import State
from vault.flows.context import Call
from vault.flows.scope import Found
from vault.keys.identity import names

_ALWAYS: Final = (
    "What other people's memories say about this person: those belong to them; no search through them was made.",
    (
        "Memories stored for an agent, an application or a conversation alone, and memories under an id that the "
        "vault does not know to be the same person's: each is exported by itself."
    ),
    "What was deleted, or removed when its time was over: only when and by whom is still known.",
    (
        "What was never stored: values that were masked, shortened or dropped when a text came in, among them the "
        "security codes and PINs of cards."
    ),
    (
        "Copies for search (vectors, words and their weights), keys, and the record of repeated requests, kept for a "
        "day: all made from what is here, and of no use without it."
    ),
    (
        "Entries of the log that name nobody (key changes, checks, sweeps over everybody's memories, refused requests) "
        "and entries older than the log is kept."
    ),
    "Backups, which hold older states of the same, and what the applications that use this vault keep elsewhere.",
    (
        "Values in the reasons that people gave: reasons were examined for personal values, and what was found is a "
        "word in brackets. A detector misses some, and takes some words for values."
    ),
)
_NOT_ASKED: Final = "The values behind the words in brackets: that they be put back was not asked for."
_WITHHELD: Final = (
    "Values of these kinds, which the rules show to nobody in this role; they stay words in brackets: "
)
_ADDED: Final = (
    "What was stored after the reading began. Data changed while it went on; the changes are listed."
)


def counts_of(state: State) -> dict[str, int]:
    """How much the complete files hold."""
    counted = {name: note.counts.get("counts", {}) if (note := state.note(name)) else {} for name in PARTS}
    return {
        "memories": counted[MEMORIES].get("memories", 0),
        "deleted": counted[MEMORIES].get("deleted", 0),
        "versions": counted[MEMORIES].get("versions", 0),
        "tokens": counted[TOKENS].get("tokens", 0),
        "log_entries": counted[ACCESS].get("log_entries", 0),
    }


def classes_of(state: State, kind: str) -> dict[str, int]:
    """Values `shown` or `withheld` in the memories, by class."""
    note = state.note(MEMORIES)
    return dict(note.counts.get(kind, {})) if note is not None else {}


def summary_of(
    call: Call,
    found: Found,
    state: State,
    user_id: str | None,
    changes: list[dict[str, Any]],
    *,
    revealing: bool,
) -> dict[str, Any]:
    """The document export.json."""
    known = names(call.stages.keystore, call.tenant, found.subject.sid)
    policy, principal = call.stages.policy, call.caller.principal
    note = state.note(ACCESS)
    actions = sorted(note.counts.get("actions", {})) if note is not None else []
    withheld = classes_of(state, "withheld")
    return {
        "kind": "export",
        "format": FORMAT,
        "made_at": state.made_at,
        "made_by": {"actor": principal.id, "roles": list(principal.roles), "purpose": call.caller.purpose},
        "software": f"memvault {version('memvault')}",
        "tenant": call.tenant.name,
        "subject": {"user_id": user_id, "ids": [{"kind": kind, "id": one} for kind, one in known.all()]},
        "policy": {"name": policy.name, "version": policy.version, "digest": policy.digest},
        "revealed": classes_of(state, "shown") if revealing else None,
        "withheld": withheld,
        "counts": counts_of(state),
        "complete": state.complete,
        "changes": changes,
        "purposes": dict(policy.purposes),
        "actions": {name: ACTIONS[name].description for name in actions if name in ACTIONS},
        "retention": {
            record: {
                "min_days": period.min_days,
                "max_days": period.max_days,
                "idle_days": period.idle_days,
            }
            for record, period in policy.retention.items()
        },
        "files": [{"name": one.name, "lines": one.lines} for one in state.files if one.name in PARTS],
        "not_included": _missing(withheld, revealing=revealing, complete=state.complete),
    }


def _missing(withheld: Mapping[str, int], *, revealing: bool, complete: bool) -> list[str]:
    found = list(_ALWAYS)
    if not revealing:
        found.append(_NOT_ASKED)
    elif withheld:
        found.append(f"{_WITHHELD}{', '.join(withheld)}.")
    return found if complete else [*found, _ADDED]
