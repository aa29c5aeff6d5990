"""`Exports`: what is held about a person, handed out. Outside the core's public names; reached by `Session.exports`."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from pathlib import Path

    from vault.flows.context import Caller, Stages
    from vault.flows.exports.run import ExportPreview, ExportResult


class Exports:
    """Copies of everything held about one user (GDPR articles 15 and 20). Every call is decided and logged."""

    def __init__(self, opened: Callable[[], Stages], caller: Caller, folder: Path) -> None:
        self._opened = opened
        self._caller = caller
        self._folder = folder

    def __repr__(self) -> str:
        return "<Exports>"

    def preview(self, *, user_id: str | None = None, reveal: str | Literal[False] = False) -> ExportPreview:
        """Count what an export would hold, and write nothing; `reveal` as for `run`."""
        from vault.flows.exports import run as export

        return export.preview(self._opened(), self._caller, user_id, reveal)

    def run(
        self,
        *,
        user_id: str | None = None,
        to: str | os.PathLike[str],
        reveal: str | Literal[False] = False,
        format: Literal["archive", "folder"] = "archive",  # noqa: A002 - the word for it, only given by name
        progress: Callable[[int, int], None] | None = None,
        resume: bool = True,
    ) -> ExportResult:
        """Write everything held about one user to a new file (or folder) that only its owner can read.

        `reveal` is a reason: values come back in clear for the classes the pack lets this role see. `progress` is told
        (done, total). An export to this place that was cut off goes on; with `resume=False` it begins anew. Raises
        NotFoundError for a user nothing is held about, InvalidInputError for a place that is taken, missing or inside
        the vault, ConflictError where something else was left unfinished there.
        """
        from vault.flows.exports import run as export

        return export.run(
            self._opened(),
            self._caller,
            self._folder,
            user_id=user_id,
            to=to,
            reveal=reveal,
            form=format,
            progress=progress,
            resume=resume,
        )
