"""Access and portability (GDPR articles 15 and 20): everything held about a person, as files that stand by themselves.

Each window of a hundred memories is an operation of its own: decided, read at one moment, logged with its ids (and what
it reveals, by class), and only then written. So no export holds a reader open or the vault busy, and no more than a
window is in this process at once. Nothing is written but into a folder for its owner alone beside the destination
(`vault/exporting/partial.py`), which gets the destination's name once it is whole and the log says so.

An export that was cut off goes on with the file it had come to, as long as the person's data is what it was; otherwise
it begins anew. A failure that repeating does not mend leaves nothing readable behind.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from vault.crypto.primitives import hmac_sha256
from vault.errors import InvalidInputError, UnavailableError
from vault.exporting import bundle
from vault.exporting.partial import Mac, Partial, State, destination, occupied, other_export
from vault.flows import validate
from vault.flows.context import Call, Caller, Stages, calling
from vault.flows.exports.lines import Values
from vault.flows.exports.summary import counts_of
from vault.flows.exports.write import EXPORT, Asked, Progress, located, token_page, write_export
from vault.flows.reveal import reveal_reason
from vault.flows.rotate import backup_folder
from vault.flows.sign import sign_if_due
from vault.types import Scope

_KEPT: Final = (
    "; what is complete is kept beside the destination (.partial): repeat the export to go on, or remove it"
)


@dataclass(frozen=True, slots=True)
class ExportPreview:
    """What an export would hold: `counts`, and the tokens that would show their value or stay, by class."""

    counts: dict[str, int]
    revealed: dict[str, int]
    withheld: dict[str, int]


@dataclass(frozen=True, slots=True)
class ExportResult:
    """A finished export; `digest` is the manifest's SHA-256, `complete` says that nothing changed while it was read."""

    path: Path
    counts: dict[str, int]
    digest: str
    complete: bool


def preview(stages: Stages, caller: Caller, user_id: object, reveal: object) -> ExportPreview:
    """How many memories and tokens are held, and which tokens a reveal would open."""
    with calling(stages, caller, EXPORT) as call:
        scope = _scope(call, user_id)
        why, classes = _revealing(call, reveal)
        found = located(call, scope)
        values = Values(call, found, classes or frozenset())
        counts = {"memories": len(call.records.order(found.s)), "tokens": 0}
        after: str | None = ""
        while after is not None:
            lines, after = token_page(call, found, values, after)
            counts["tokens"] += len(lines)
        call.log_read(call.event(reason=why, stage="counted"), found.subject, found.s)
        sign_if_due(call)
    return ExportPreview(counts, dict(sorted(values.shown.items())), dict(sorted(values.withheld.items())))


def run(
    stages: Stages,
    caller: Caller,
    folder: Path,
    *,
    user_id: object,
    to: object,
    reveal: object,
    form: object,
    progress: Progress | None,
    resume: object,
) -> ExportResult:
    """Everything held about one user under a new name outside the vault's `folder`; see `vault.exports`."""
    with calling(stages, caller, EXPORT) as call:
        scope = _scope(call, user_id)
        place = destination(validate.path("to", to), kept_out(stages, folder))
        if form not in ("archive", "folder"):
            raise InvalidInputError("format.value", 'format must be "archive" or "folder"')
        validate.callback("progress", progress)
        again = validate.flag("resume", resume)
        why, classes = _revealing(call, reveal)
        mac = _mac(call)
    shown = sorted(classes) if classes is not None else None
    binding = mac(json.dumps([scope.user_id, shown, stages.policy.digest]).encode()).hex()
    return _export(
        Asked(stages, caller, scope, place, why, classes, form == "archive", progress, again, mac, binding)
    )


# --- asking --------------------------------------------------------------------------------------------------------


def _scope(call: Call, user_id: object) -> Scope:
    return call.confine(validate.scope(user_id=call.caller.user_id if user_id is None else user_id))


def _revealing(call: Call, reveal: object) -> tuple[str | None, frozenset[str] | None]:
    """The second decision: whether values may be put back, and of which classes."""
    why = reveal_reason(call, None if reveal is False else reveal)
    if why is None:
        return None, None
    return why, call.stages.policy.reveal_classes(call.caller.principal.roles, call.caller.purpose)


def kept_out(stages: Stages, folder: Path) -> Iterator[Path]:
    """Where nothing readable may lie: the vault, its log's archive, its keys, and the backups of its keystore."""
    yield folder
    yield folder / Path(stages.config.audit.archive).expanduser()
    kind, _, place = stages.config.keys.provider.partition(":")
    if kind == "file":
        yield folder / Path(place).expanduser()
    backups = backup_folder(stages, folder)
    if backups is not None:
        yield backups


def _mac(call: Call) -> Mac:
    """What authenticates the notes of an unfinished export: nobody but this tenant of this vault writes them."""
    key = call.tenant.key("tags")
    return lambda data: hmac_sha256(key, b"export", data)


# --- from an unfinished export to a finished one ---------------------------------------------------------------------


def _export(asked: Asked) -> ExportResult:
    if os.path.lexists(asked.place) and not (asked.resume and Partial.is_there(asked.place)):
        raise occupied()
    partial = Partial(asked.place)
    try:
        if not asked.resume:
            partial.empty()
        state = partial.read(asked.mac)
        if state is not None and state.binding != asked.binding:
            raise other_export()
        if os.path.lexists(asked.place):
            state = _moved_already(asked, partial, state)
        else:
            state = _written(asked, partial, state)
        partial.remove()
    finally:
        partial.close()
    return ExportResult(asked.place, counts_of(state), state.finished or "", state.complete)


def _moved_already(asked: Asked, partial: Partial, state: State | None) -> State:
    """What is at the destination is this very export, and only the tidying up was cut off; or it is refused."""
    if state is None:  # the note goes last: what is left of its folder holds nothing
        partial.remove()
    elif state.finished is not None:
        checked = bundle.verify(asked.place)
        if not checked.problems and checked.digest == state.finished:
            return state
    raise occupied()


def _written(asked: Asked, partial: Partial, state: State | None) -> State:
    """After a failure that repeating may mend, what is complete is kept; after any other, nothing is left."""
    try:
        return write_export(asked, partial, state)
    except BaseException as error:
        if not (asked.resume and isinstance(error, UnavailableError | KeyboardInterrupt)):
            partial.remove()
        elif isinstance(error, UnavailableError):
            raise type(error)(error.code, error.message + _KEPT) from None
        raise
