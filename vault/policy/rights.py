"""rights.yaml of a pack and of those it extends: the most approvals, the shortest times, the grounds that all know."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Final

from vault.errors import PolicyInvalidError
from vault.policy.decide import Approvals, Erasure, Policy, Rights
from vault.policy.model import Ground, RightsFile

# What a pack has that extends none and says nothing: it names no ground, so that nothing can be erased by request.
UNSET: Final = Rights(
    erasure=Erasure(approvals=0, approval_hours=72, roll_within_hours=24),
    tenant_erasure=Approvals(1),
    hold_release=Approvals(0),
    grounds=MappingProxyType({}),
)


def combine_rights(name: str, given: RightsFile | None, parents: Sequence[Policy]) -> Rights:
    """The rights part of pack `name`. Raises PolicyInvalidError policy.relaxed, policy.conflict, policy.rule."""
    own = given or RightsFile()
    both = " and ".join(parent.name for parent in parents)
    inherited = [parent.rights for parent in parents] or [UNSET]

    def number(key: str, stated: int | None, kept: Sequence[int], pick: Callable[..., int]) -> int:
        """The strictest of what is inherited, or what is stated; a pack that extends none states what it likes."""
        strictest = pick(kept)
        if stated is None:
            return strictest
        if parents and pick(stated, strictest) != stated:
            word = "lower" if pick is max else "higher"
            raise _relaxed(f"{key} of pack {name} is {word} than that of {both}")
        return stated

    mine, theirs = own.erasure, [rights.erasure for rights in inherited]
    hours, roll = "erasure.approval_hours", "erasure.roll_within_hours"
    return Rights(
        erasure=Erasure(
            approvals=number("erasure.approvals", mine.approvals, [e.approvals for e in theirs], max),
            approval_hours=number(hours, mine.approval_hours, [e.approval_hours for e in theirs], min),
            roll_within_hours=number(
                roll, mine.roll_within_hours, [e.roll_within_hours for e in theirs], min
            ),
        ),
        tenant_erasure=Approvals(
            number(
                "tenant_erasure.approvals",
                own.tenant_erasure.approvals,
                [rights.tenant_erasure.approvals for rights in inherited],
                max,
            )
        ),
        hold_release=Approvals(
            number(
                "hold_release.approvals",
                own.hold_release.approvals,
                [rights.hold_release.approvals for rights in inherited],
                max,
            )
        ),
        grounds=MappingProxyType(_grounds(name, own.grounds, parents, both)),
    )


def rights_controls(file: RightsFile) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Where the file names controls, and which."""
    yield "erasure", file.erasure.controls
    yield "tenant_erasure", file.tenant_erasure.controls
    yield "hold_release", file.hold_release.controls
    for code, ground in (file.grounds or {}).items():
        yield f"grounds.{code}", ground.controls


def _grounds(
    name: str, own: Mapping[str, Ground] | None, parents: Sequence[Policy], both: str
) -> dict[str, str]:
    """What every extended pack knows and, where the pack lists grounds, lists itself; it cannot add or redefine one."""
    if not parents:
        return {code: _titled(code, ground) for code, ground in (own or {}).items()}
    kept = dict(parents[0].rights.grounds)
    for parent in parents[1:]:
        kept = {code: title for code, title in kept.items() if code in parent.rights.grounds}
        for code, title in kept.items():
            if parent.rights.grounds[code] != title:
                raise _conflict(code, f"{parents[0].name} and {parent.name} disagree on it")
    if own is None:
        return kept
    for code, ground in own.items():
        if code not in kept:
            raise _relaxed(f"grounds.{code} of pack {name} is no ground of {both}")
        if ground.title is not None and ground.title != kept[code]:
            raise _conflict(code, f"pack {name} gives it another title than {both}")
    return {code: title for code, title in kept.items() if code in own}


def _titled(code: str, ground: Ground) -> str:
    if ground.title is None:
        raise PolicyInvalidError(
            "policy.rule", f"rights.yaml: grounds.{code}: a pack that extends none gives it a title"
        )
    return ground.title


def _relaxed(what: str) -> PolicyInvalidError:
    return PolicyInvalidError("policy.relaxed", f"rights.yaml: {what}")


def _conflict(code: str, what: str) -> PolicyInvalidError:
    return PolicyInvalidError("policy.conflict", f"rights.yaml: grounds.{code}: {what}")
