"""The two shapes that find personal data, and the one place where their failures become a refusal.

A recogniser looks for a few entities in one view of a text; a detector runs recognisers over original text. Both are
Protocols: a team can plug in its own. Whatever goes wrong inside one is a DetectorError without content, and a text
that could not be examined is not stored.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final, Protocol, TypeVar, runtime_checkable

from vault.errors import DetectorError, VaultError
from vault.redaction.normalise import View
from vault.types import Finding

_T = TypeVar("_T")

DEFAULT_THRESHOLD: Final = 0.4  # below it a finding is a guess; context words lift a guess to exactly this


@runtime_checkable
class Recogniser(Protocol):
    """Finds its `entities` in a view; offsets of its findings are offsets into `view.text`.

    Spans that earlier recognisers proved are claimed in the view; a costly recogniser may skip them.
    """

    @property
    def name(self) -> str: ...

    @property
    def entities(self) -> frozenset[str]: ...

    def find(self, view: View) -> Iterable[Finding]: ...


@runtime_checkable
class Detector(Protocol):
    """Finds personal data in text.

    `entities` are the classes it can report; `version` names its rules, is stored with every write, and changes
    whenever the same text could get other findings. `detect` returns findings that do not overlap, by `start`, as
    offsets into the text it was given. `context` is the key a value stands under (`"patient.ssn"`), read as words.
    Classes in `keep` are neither reported nor allowed to hide another finding. Any str without lone surrogates
    is accepted, others raise InvalidInputError; every failure inside is a DetectorError.
    """

    @property
    def entities(self) -> frozenset[str]: ...

    @property
    def version(self) -> str: ...

    def detect(
        self, text: str, *, context: str | None = None, keep: frozenset[str] = frozenset()
    ) -> list[Finding]: ...


def guarded(name: str, call: Callable[[], _T]) -> _T:
    """The result of `call`; anything it raises but a VaultError becomes a DetectorError naming only `name`."""
    try:
        return call()
    except VaultError:
        raise
    except Exception:  # noqa: BLE001  whatever failed, the text was not examined; the cause may quote the text
        raise DetectorError("detector.failed", f"recogniser {name} failed; the text was not examined") from None
