"""`Admin`: upkeep for operators and auditors. Stands outside the core's public names; reached by `Vault.admin`."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, BinaryIO, Literal

from vault.types import Principal

if TYPE_CHECKING:
    from os import PathLike
    from pathlib import Path

    from vault.flows.backups.shelf import Backup
    from vault.flows.bulk import BulkResult
    from vault.flows.context import Caller, Stages
    from vault.flows.erasing.retention import RetentionResult
    from vault.flows.inspect import Check
    from vault.flows.reembed import Reembedding
    from vault.flows.rescan import Rescan
    from vault.flows.tenants import TenantInfo
    from vault.flows.upkeep import Seen

Progress = Callable[[int, int], None]


class Admin:
    """Every method is decided by the pack and logged: in the tenant's log, or, for the vault itself, in its own."""

    def __init__(
        self, opened: Callable[[], Stages], principal: Principal, purpose: str, folder: Path
    ) -> None:
        self._opened = opened
        self._principal = principal
        self._purpose = purpose
        self._folder = folder

    def _tenant_caller(self) -> Caller:
        from vault.flows.context import Caller

        return Caller(self._principal, self._purpose)

    def _vault_caller(self) -> Caller:
        from vault.flows.tenants import system_caller

        return system_caller(self._principal, self._purpose)

    # the vault as it is

    def overview(self, *, most: int = 20) -> dict[str, Any]:
        """The vault in short: epoch, pack, files, and the first `most` tenants with their counts."""
        from vault.flows import inspect

        return inspect.overview(self._opened(), self._folder, self._principal, self._purpose, most=most)

    def doctor(self) -> list[Check]:
        """What protects this vault right now, and what does not: read back from where it is in force."""
        from vault.flows import inspect

        return inspect.doctor(self._opened(), self._folder, self._tenant_caller())

    # tenants

    def tenants(self) -> list[TenantInfo]:
        """Every tenant, by name."""
        from vault.flows import tenants

        return tenants.names(self._opened(), self._principal, self._purpose)

    def create_tenant(self, name: str) -> TenantInfo:
        """Create a tenant; InvalidInputError when it exists."""
        from vault.flows import tenants

        return tenants.create(self._opened(), self._principal, self._purpose, name)

    # keys

    def keys_status(self) -> dict[str, Any]:
        """Provider, epoch, key versions of the principal's tenant, newest backup; no key material."""
        from vault.flows import rotate

        return rotate.status(self._opened(), self._folder, self._tenant_caller())

    def keys_rotate(
        self, level: str, *, keep_old: bool = False, progress: Progress | None = None
    ) -> dict[str, Any]:
        """Replace the keys of one level (see vault.flows.rotate.LEVELS)."""
        from vault.flows import rotate

        caller = self._vault_caller() if level == "root" else self._tenant_caller()
        return rotate.rotate(
            self._opened(), self._folder, caller, level, keep_old=keep_old, progress=progress
        )

    def keys_backup(self) -> dict[str, Any]:
        """Copy the keystore to its backup folder and verify the copy."""
        from vault.flows import rotate

        return rotate.back_up(self._opened(), self._folder, self._vault_caller())

    def keys_verify(self) -> dict[str, Any]:
        """Unwrap every key of the keystore and of its newest backup."""
        from vault.flows import rotate

        return rotate.verify(self._opened(), self._folder, self._vault_caller())

    # backup (restoring is `Vault.restore`: what is to be restored may not open)

    def backup_create(
        self,
        kind: str,
        *,
        to: str | PathLike[str] | None = None,
        keep: int | None = None,
        keep_days: int | None = None,
        dry_run: bool = False,
        progress: Progress | None = None,
    ) -> dict[str, Any]:
        """Back up the `data` or the `keystore`, online, and verify the copy; then remove older backups where asked.

        A backup goes that neither `keep` (how many) nor `keep_days` wants; the newest usable one always stays.
        """
        from vault.flows.backups import backup

        return backup.create(
            self._opened(),
            self._folder,
            self._vault_caller(),
            kind,
            to=to,
            keep=keep,
            keep_days=keep_days,
            dry_run=dry_run,
            progress=progress,
        )

    def backup_archive(self, to: str | PathLike[str], *, progress: Progress | None = None) -> dict[str, Any]:
        """Bring a copy of the log archive in another folder up to date, online; only what is new is written."""
        from vault.flows.backups import backup

        return backup.copy_archive(
            self._opened(), self._folder, self._vault_caller(), to=to, progress=progress
        )

    def backup_list(self, *, to: str | PathLike[str] | None = None) -> list[Backup]:
        """Every complete backup in the configured folders, or in `to`, newest first."""
        from vault.flows.backups import backup

        return backup.listing(self._opened(), self._folder, self._vault_caller(), to=to)

    def backup_verify(self, path: str | PathLike[str], *, progress: Progress | None = None) -> dict[str, Any]:
        """Every file of a backup (the newest in a folder of backups): digests, pages, log, rows, keys."""
        from vault.flows.backups import backup

        return backup.verify(self._opened(), self._folder, self._vault_caller(), path, progress=progress)

    # log

    def audit_verify(self, *, since: Sequence[bytes] = ()) -> dict[str, Any]:
        """The tenant's whole log and records; raises IntegrityViolationError on the first break.

        `since` are checkpoints that were kept elsewhere: the log must extend each.
        """
        from vault.flows import upkeep

        return upkeep.verify(self._opened(), self._tenant_caller(), since=since)

    def audit_show(
        self, *, user_id: str | None = None, since: datetime | None = None, limit: int = 1_000
    ) -> list[Seen]:
        """Who saw or changed what, when, for what purpose."""
        from vault.flows import upkeep

        return upkeep.show(self._opened(), self._tenant_caller(), user_id=user_id, since=since, limit=limit)

    def audit_checkpoint(self) -> str:
        """Sign the log's head now; returns the signed note to keep elsewhere."""
        from vault.flows import upkeep

        return upkeep.checkpoint(self._opened(), self._tenant_caller())

    def audit_evidence(self, out: str | os.PathLike[str]) -> dict[str, Any]:
        """Write log, checkpoints, histories and certificates to a new folder or `.zip`, for an auditor to check."""
        from vault.flows import evidence

        return evidence.build(self._opened(), self._folder, self._tenant_caller(), out)

    def audit_export(
        self,
        to: str | os.PathLike[str] | BinaryIO,
        *,
        format: Literal["jsonl", "ocsf"] = "jsonl",  # noqa: A002 - the word that everybody knows
        since: datetime | None = None,
        resume: bool = False,
        cursor: str | os.PathLike[str] | None = None,
        progress: Progress | None = None,
    ) -> dict[str, Any]:
        """Write the log's entries and the checkpoints that cover them, a line each, for a collector of logs.

        `to` is a new file outside the vault, or a stream of bytes. `jsonl` has the entries as they are hashed, `ocsf`
        an event for each. It begins at the first entry, or at the first of `since`; with `resume` at the end of the
        file, where there is one; with `cursor`, a file that is kept up to date, at the entry that it names.
        Raises RollbackError where the log does not contain what was exported before.
        """
        from vault.flows import feed

        return feed.run(
            self._opened(),
            self._folder,
            self._tenant_caller(),
            to,
            form=format,
            since=since,
            resume=resume,
            cursor=cursor,
            progress=progress,
        )

    # retention, index, import

    def retention_plan(self) -> RetentionResult:
        """What a run of retention would remove from the tenant now, by rule; nothing is removed."""
        from vault.flows.erasing import retention

        return retention.plan(self._opened(), self._tenant_caller())

    def retention_run(self, *, dry_run: bool = False, progress: Progress | None = None) -> RetentionResult:
        """Remove what is older than the pack allows, and what has expired; with `dry_run` it is only counted.

        Run again after a crash, it goes on. What a legal hold keeps is left, counted and logged.
        """
        from vault.flows.erasing import retention

        return retention.run(self._opened(), self._tenant_caller(), dry_run=dry_run, progress=progress)

    def sweep(self, *, dry_run: bool = False, progress: Progress | None = None) -> int:
        """Really delete expired memories of the tenant, and nothing else that is old."""
        from vault.flows.erasing import retention

        return retention.sweep(self._opened(), self._tenant_caller(), dry_run=dry_run, progress=progress)

    def rescan(self, *, dry_run: bool = False, progress: Progress | None = None) -> Rescan:
        """Examine every memory and its history with today's detector and pack; redact what is found.

        With `dry_run` it is only counted. A value that was found is in no stored form afterwards.
        """
        from vault.flows import rescan

        return rescan.rescan(self._opened(), self._tenant_caller(), dry_run=dry_run, progress=progress)

    def index_status(self) -> dict[str, Any]:
        """Adapter, embedder, and how many memories the tenant's index holds."""
        from vault.flows import inspect

        return inspect.index_status(self._opened(), self._tenant_caller())

    def index_verify(self) -> dict[str, Any]:
        """Compare every sealed point with its record."""
        from vault.flows import upkeep

        return upkeep.index_verify(self._opened(), self._tenant_caller())

    def index_rebuild(self, *, progress: Progress | None = None) -> int:
        """Embed every memory of the tenant again."""
        from vault.flows import upkeep

        return upkeep.index_rebuild(self._opened(), self._tenant_caller(), progress=progress)

    def reembed(self, *, dry_run: bool = False, progress: Progress | None = None) -> Reembedding:
        """Bring every memory of the tenant to the configured embedder, while other processes read and write.

        With `dry_run` it is only counted. Cut off, it goes on where it was when it is called again.
        """
        from vault.flows import reembed

        return reembed.reembed(self._opened(), self._tenant_caller(), dry_run=dry_run, progress=progress)

    def index_move(self, *, progress: Progress | None = None) -> dict[str, Any]:
        """Bring the tenant to the index that the configuration names, online: built, compared, then searched."""
        from vault.flows import upkeep

        return upkeep.index_move(self._opened(), self._tenant_caller(), progress=progress)

    # telemetry

    def telemetry_status(self) -> dict[str, Any]:
        """Each switch of telemetry as it is for this process, those that are off, and who agreed."""
        from vault.flows import telemetry

        return telemetry.status(self._opened(), self._folder, self._vault_caller())

    def telemetry_preview(self) -> dict[str, Any]:
        """The requests that this process would send now, byte for byte; they stay pending."""
        from vault.flows import telemetry

        return telemetry.preview(self._opened(), self._folder, self._vault_caller())

    def telemetry_enable(self) -> dict[str, Any]:
        """Agree to telemetry in this place, for processes that open the vault from now on; or raises DeniedError."""
        from vault.flows import telemetry

        return telemetry.enable(self._opened(), self._folder, self._vault_caller())

    def telemetry_disable(self) -> dict[str, Any]:
        """Take the agreement back; no process sends anything after it."""
        from vault.flows import telemetry

        return telemetry.disable(self._opened(), self._folder, self._vault_caller())

    def telemetry_rotate(self) -> dict[str, Any]:
        """Another random installation id from the next sending on; ConflictError where nobody agreed."""
        from vault.flows import telemetry

        return telemetry.rotate(self._opened(), self._folder, self._vault_caller())

    def import_many(
        self, items: Any, *, batch: int = 256, progress: Callable[[int], None] | None = None
    ) -> BulkResult:
        """Store many memories as an import: refused items are reported, not raised."""
        from vault import workers
        from vault.flows import bulk

        stages = self._opened()
        return bulk.add_many(
            stages,
            self._tenant_caller(),
            items,
            batch=batch,
            on_error="collect",
            progress=progress,
            action="memory.import",
            workers=lambda: workers.of(self._folder, stages),
        )
