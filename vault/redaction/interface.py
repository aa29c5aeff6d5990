"""The two shapes that find personal data, and the one place where their failures become a refusal.

A recogniser looks for a few entities in one view of a text; a detector runs recognisers over original text.
Both are Protocols: a team can plug in its own. Whatever goes wrong inside one is a DetectorError without
content, and a text that could not be examined is not stored.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from types import TracebackType
from typing import Final, Protocol, Self, runtime_checkable

from vault.errors import DetectorError, VaultError
from vault.redaction.normalise import View
from vault.types import Finding

DEFAULT_THRESHOLD: Final = 0.4  # below it a finding is a guess; context words lift a guess to exactly this


@runtime_checkable
class Recogniser(Protocol):
    """Finds its `entities` in a view; offsets of its findings are offsets into `view.text`.

    Spans that earlier recognisers proved are claimed in the view; a costly recogniser may skip them. `digits`
    says when it need not be asked: the fewest digits a text must hold for it to find anything; 0 if a text
    without any may do but only a `structured` one, -1 if any text may do.
    """

    @property
    def name(self) -> str: ...

    @property
    def entities(self) -> frozenset[str]: ...

    @property
    def digits(self) -> int: ...

    def find(self, view: View) -> Iterable[Finding]: ...


@runtime_checkable
class Detector(Protocol):
    """Finds personal data in text.

    `entities` are the classes it looks for in any text, so that a pack may require them; a class that only a
    key can name is not among them. `version` names its rules, is stored with every write, and changes whenever
    the same text could get other findings. `detect` returns findings that do not overlap, by `start`, as
    offsets into the text it was given. `context` is the key a value stands under (`"patient.ssn"`), read as
    words. Classes in `keep` are neither reported nor allowed to hide another finding. Any str without lone
    surrogates is accepted, others raise InvalidInputError; every failure inside is a DetectorError.
    """

    @property
    def entities(self) -> frozenset[str]: ...

    @property
    def version(self) -> str: ...

    def detect(
        self, text: str, *, context: str | None = None, keep: frozenset[str] = frozenset()
    ) -> list[Finding]: ...

    def batch(
        self,
        texts: Sequence[str],
        contexts: Sequence[str | None] | None = None,
        *,
        keep: frozenset[str] = frozenset(),
    ) -> list[list[Finding]]:
        """`detect` for many texts that have nothing to do with each other."""

    def detect_group(
        self,
        texts: Sequence[str],
        contexts: Sequence[str | None] | None = None,
        *,
        keep: frozenset[str] = frozenset(),
    ) -> list[list[Finding]]:
        """`detect` for consecutive messages: also what is split over several, or is only plain in another."""


class OneByOne:
    """`batch` and `detect_group` of a detector that knows no more about many texts than about each."""

    def detect(
        self, text: str, *, context: str | None = None, keep: frozenset[str] = frozenset()
    ) -> list[Finding]:
        raise NotImplementedError

    def batch(
        self,
        texts: Sequence[str],
        contexts: Sequence[str | None] | None = None,
        *,
        keep: frozenset[str] = frozenset(),
    ) -> list[list[Finding]]:
        """`detect` for each."""
        named = contexts or (None,) * len(texts)
        return [
            self.detect(text, context=context, keep=keep) for text, context in zip(texts, named, strict=True)
        ]

    detect_group = batch


class Guard:
    """A context that swallows every failure but a VaultError; what follows it must `raise guard.failure()`.

    Raised outside, that DetectorError carries no context: the message of whatever failed may quote the text.
    """

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name

    def failure(self) -> DetectorError:
        """The error to raise when the context was left without a result; it names only `name`."""
        return DetectorError("detector.failed", f"{self.name} failed; the text was not examined")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        return isinstance(error, Exception) and not isinstance(error, VaultError)
