"""The note that a restore leaves in the vault's folder while it is under way, and the decision before it begins."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vault.errors import ConflictError, IntegrityViolationError
from vault.files import convert_os, sync_folder, write_private
from vault.flows.context import Caller, Stages, calling
from vault.flows.stores import RESTORING_NAME
from vault.policy.decide import Request


@dataclass(slots=True)
class Note:
    """Which backup is being restored, and which tenants (hex ids) are done; `name` is empty where no restore is."""

    folder: Path
    kind: str = ""
    name: str = ""
    done: list[str] = field(default_factory=list)

    @classmethod
    def read(cls, folder: Path) -> Note:
        try:
            said: dict[str, Any] = json.loads((folder / RESTORING_NAME).read_bytes())
            return cls(folder, str(said["kind"]), str(said["backup"]), [str(tid) for tid in said["done"]])
        except FileNotFoundError:
            return cls(folder)
        except OSError as error:
            raise convert_os(error) from None
        except (ValueError, KeyError, TypeError):
            raise IntegrityViolationError(
                "restore.note", f"{RESTORING_NAME} is not what a restore wrote: the restore cannot go on"
            ) from None

    def require(self, kind: str, name: str) -> None:
        """Raise ConflictError where another restore was cut off."""
        if self.name and (self.kind, self.name) != (kind, name):
            raise ConflictError(
                "restore.other",
                f"a restore of {self.name} ({self.kind}) was cut off: run that one to its end first",
            )

    def write(self) -> None:
        said = {"kind": self.kind, "backup": self.name, "done": self.done}
        write_private(self.folder / RESTORING_NAME, json.dumps(said, indent=2).encode() + b"\n")

    def remove(self) -> None:
        try:
            (self.folder / RESTORING_NAME).unlink(missing_ok=True)
            sync_folder(self.folder)
        except OSError as error:
            raise convert_os(error) from None


def decide(stages: Stages, caller: Caller) -> None:
    """Before anything is opened, since what is to be restored may not open. A denial is logged where the log opens."""
    request = Request(action="backup.restore", purpose=caller.purpose, roles=caller.principal.roles)
    if not stages.policy.decide(request).permit:
        with calling(stages, caller, "backup.restore"):
            pass
    stages.policy.require(request)
