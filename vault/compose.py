"""The composition root: the only module that names adapters. Everything heavy is imported when a vault opens."""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from vault import references
from vault.audit.archive import TenantArchive
from vault.config import FILE_NAME, PROJECT_KEY, KeysConfig, VaultConfig, render
from vault.crypto.primitives import SecretKey
from vault.embedders import Embedders
from vault.embedding.interface import identity
from vault.errors import ConfigError
from vault.files import private_folder, write_private
from vault.flows import outbox, telemetry
from vault.flows.context import SYSTEM_TENANT, Stages
from vault.flows.reconcile import reconcile
from vault.flows.sign import sign_on_close
from vault.flows.stores import RESTORING_NAME, Adapters, OpenStore, Stores, refuse_unfinished
from vault.index.interface import OutsideIndex
from vault.index.sealed import SealedIndex
from vault.keys.interface import KeyProvider
from vault.keys.keyring import KeyCache, TenantKeys
from vault.keys.keystore import Keystore
from vault.keys.local import LocalProvider
from vault.locks import Lease
from vault.observe.sender import Carrier, Sender
from vault.observers import listeners, observer
from vault.policy.pack import Policy, check_coverage, load
from vault.records.interface import ELSEWHERE, RecordStore
from vault.records.sqlcipher import SqlcipherRecords
from vault.redaction.detect import BuiltinDetector
from vault.redaction.evaluation.figures import measured
from vault.redaction.interface import Detector

KEYSTORE_FOLDER: Final = "keystore"
TENANTS_FOLDER: Final = "tenants"
LOCK_NAME: Final = "vault.lock"
UNFINISHED_NAME: Final = "memvault.unfinished"  # there from the first step of `create` to its last


def provider(config: KeysConfig, folder: Path) -> KeyProvider:
    """The key provider a configuration names; raises ConfigError where its extra is not installed."""
    if config.pkcs11 is not None:
        from vault.keys.pkcs11 import Pkcs11Provider

        hsm = config.pkcs11
        pin = references.source(references.PIN, hsm.pin, folder)
        return Pkcs11Provider(Path(hsm.module), hsm.token, pin, hsm.vault_id, timeout_s=hsm.timeout_s)
    place = Path(config.provider.removeprefix("file:")).expanduser()
    place = place if place.is_absolute() else folder / place
    reference = config.passphrase
    source = references.source(references.PASSPHRASE, reference, folder) if reference is not None else None
    return LocalProvider(place, source)


def detector(
    names: tuple[str, ...],
    threshold: float,
    *,
    strict: bool = False,
    folder: Path | None = None,
    recognisers: tuple[str, ...] = (),
) -> Detector:
    """The configured detectors as one; findings under the pack's threshold are not reported.

    Relative paths of models and recogniser files are beside the vault's `folder`. Nothing is fetched: raises
    ConfigError where a model or an extra is missing, naming the command.
    """
    if names == ("builtin",):
        return BuiltinDetector(threshold=threshold, strict=strict)
    from vault.redaction.models import parse
    from vault.redaction.presidio import PresidioDetector
    from vault.redaction.union import UnionDetector

    beside = folder or Path.cwd()

    def made(name: str) -> Detector:
        if name == "builtin":
            return BuiltinDetector(threshold=threshold, strict=strict)
        model = name.partition(":")[2]
        return PresidioDetector(
            threshold=threshold,
            model=parse(model, beside=beside) if model else None,
            recognisers=[beside / path for path in recognisers],
        )

    return UnionDetector([made(name) for name in names])


def policy(config: VaultConfig, folder: Path) -> tuple[Policy, Detector]:
    """The configured pack and its detector; refuses to start when the pack asks for more than the detector finds."""
    name = config.policy.pack
    pack = load(folder / name if name.startswith((".", "/")) else name)
    asked = config.detection
    found_by = detector(
        asked.detectors, pack.threshold, strict=pack.strict, folder=folder, recognisers=asked.recognisers
    )
    figures = measured(found_by.version, folder) if pack.floors else None
    check_coverage(pack, found_by.entities, version=found_by.version, measured=figures)
    return pack, found_by


def outside_index(config: VaultConfig, folder: Path) -> OutsideIndex | None:
    """The index kept elsewhere that a configuration names; not connected yet. Raises ConfigError without its extra."""
    asked = config.index.qdrant
    if asked is None:
        return None
    try:
        from vault.index import qdrant
    except ImportError:
        raise ConfigError(
            "index.extra", "the index qdrant needs an extra: pip install 'memvault[qdrant]'"
        ) from None
    layout = qdrant.Layout(
        collection=asked.collection,
        shard_number=asked.shard_number,
        shard_keys=asked.shard_keys,
        replication_factor=asked.replication_factor,
        write_consistency_factor=asked.write_consistency_factor,
        read_consistency=asked.read_consistency,
        timeout_s=asked.timeout_s,
        vacuum_timeout_s=asked.vacuum_timeout_s,
    )
    client = qdrant.connect(
        asked.url,
        api_key=references.text(references.INDEX_KEY, asked.api_key, folder)
        if asked.api_key is not None
        else None,
        grpc_port=asked.grpc_port,
        ca=folder / Path(asked.ca).expanduser() if asked.ca is not None else None,
        timeout_s=asked.timeout_s,
    )
    return qdrant.QdrantIndex(client, layout)


def default_key_folder(vault_name: str) -> Path:
    """Outside the vault folder, so that who copies the data does not copy the key."""
    base = os.environ.get("XDG_DATA_HOME") or "~/.local/share"
    return Path(base).expanduser() / "memvault" / f"{vault_name}-{secrets.token_hex(4)}"


def create(folder: Path, config: VaultConfig) -> None:
    """Lay out a new vault: folders, key epoch, keystore, configuration; the configuration comes last.

    Cut off by a crash, it can be called again: a note beside the leftovers says that no vault was ever there.
    """
    private_folder(folder)
    lease = Lease(folder / LOCK_NAME, config.limits.lock_timeout_s)
    try:
        with lease.alone():
            resumed = _unfinished(folder)
            if not resumed and ((folder / FILE_NAME).exists() or (folder / KEYSTORE_FOLDER).exists()):
                raise ConfigError("vault.exists", "there is a vault in this folder already")
            private_folder(folder / TENANTS_FOLDER)
            _create_keys(folder, config, resumed=resumed)
            write_private(folder / FILE_NAME, render(config).encode())
            (folder / UNFINISHED_NAME).unlink()
    finally:
        lease.close()


def _unfinished(folder: Path) -> bool:
    """Whether an earlier `create` was cut off here: it left its note, and no configuration and no tenant's file."""
    begun = (folder / UNFINISHED_NAME).is_file() and not (folder / FILE_NAME).exists()
    return begun and not any((folder / TENANTS_FOLDER).glob("*"))


def _named(config: KeysConfig) -> bytes:
    """Where the keys of this vault are, as the note of an unfinished `create` says it."""
    return (f"pkcs11:{config.pkcs11.vault_id}" if config.pkcs11 is not None else config.provider).encode()


def _create_keys(folder: Path, config: VaultConfig, *, resumed: bool) -> None:
    keys = provider(config.keys, folder)
    try:
        epochs, note = keys.live_epochs(), folder / UNFINISHED_NAME
        named = _named(config.keys)
        if epochs and not (resumed and note.read_bytes() == named):
            raise ConfigError("keys.exists", "that place already holds a key; every vault needs its own")
        for leftover in (folder / KEYSTORE_FOLDER).glob("keystore-*") if resumed else ():
            leftover.unlink()
        write_private(note, named)
        epoch = max(epochs) if epochs else keys.new_epoch()
        Keystore.create(folder / KEYSTORE_FOLDER, keys, epoch=epoch)
        cache = KeyCache(16, 60)
        keystore = Keystore(folder / KEYSTORE_FOLDER, keys, cache=cache)
        try:
            keystore.create_tenant(SYSTEM_TENANT)
        finally:
            keystore.close()
            cache.wipe()
    finally:
        keys.close()


def archive_folder(config: VaultConfig, folder: Path) -> Path:
    """Where the log goes beside the data."""
    place = Path(config.audit.archive).expanduser()
    return place if place.is_absolute() else folder / place


@contextmanager
def restoring_on(folder: Path, lease: Lease, keystore: Path) -> Iterator[Stages]:
    """The vault opened on a keystore folder for a restore that holds it alone; nothing is signed when it closes."""
    stages = build(folder, restoring=True, lease=lease, keystore_folder=keystore)
    try:
        yield stages
    finally:
        stages.stores.abandon()
        stages.keystore.close()
        stages.index.clear()
        if stages.outside is not None:
            stages.outside.close()
        stages.cache.wipe()
        stages.provider.close()
        stages.close_embedders()
        stages.observer.close()


def build(
    folder: Path, *, restoring: bool = False, lease: Lease | None = None, keystore_folder: Path | None = None
) -> Stages:
    """Open everything a vault folder's configuration names; raises ConfigError or KeyProviderError, never half-open.

    After a restore that was cut off only the next restore opens it (StorageError).
    """
    folder = folder.absolute()
    config = VaultConfig.load(folder)
    pack, found_by = policy(config, folder)
    embedders = Embedders(folder, config.embedder)
    told = listeners(config, folder)
    keys = provider(config.keys, folder)
    cache = KeyCache(config.keys.cache_entries, config.keys.cache_ttl_s)
    timeout_s = config.limits.lock_timeout_s
    own = lease is None
    lease = lease or Lease(folder / LOCK_NAME, timeout_s)
    try:
        with lease.shared():  # not while a roll or a restore replaces the file
            refuse_unfinished(folder / RESTORING_NAME, restoring=restoring)
            keystore = Keystore(
                keystore_folder or folder / KEYSTORE_FOLDER, keys, cache=cache, timeout_s=timeout_s
            )
    except BaseException:
        keys.close()
        if own:
            lease.close()
        raise

    def create_records(path: Path, key: SecretKey, tenant: TenantKeys) -> None:
        private_folder(path.parent)
        named = identity(embedders.configured)
        SqlcipherRecords.create(path, key, tenant.tid, embedder=named, timeout_s=timeout_s)

    def connect_records(path: Path, key: SecretKey, tenant: TenantKeys) -> RecordStore:
        return SqlcipherRecords(path, key, tenant.tid, timeout_s=timeout_s)

    def inspect_records(path: Path, key: SecretKey, tenant: TenantKeys) -> RecordStore:
        return SqlcipherRecords(path, key, tenant.tid, read_only=True, timeout_s=timeout_s)

    archive = archive_folder(config, folder)
    stores = Stores(
        folder / TENANTS_FOLDER,
        keystore,
        Adapters(
            create=create_records,
            connect=connect_records,
            inspect=inspect_records,
            archive=lambda tenant: TenantArchive(archive, tenant, timeout_s=timeout_s),
        ),
        open_files=config.tenants.open_files,
        reconcile=reconcile,
        barrier=folder / RESTORING_NAME,
    )
    stores.restoring = restoring
    index = SealedIndex(cache_bytes=config.limits.cache_mb << 20)
    outside = outside_index(config, folder)

    def after(store: OpenStore) -> None:
        if outside is not None:
            outbox.drain(outside, keystore, store)

    stores.first_index = ELSEWHERE if config.index.adapter == "qdrant" else stores.first_index
    stores.on_close = lambda store: sign_on_close(keystore, store)
    stores.on_moved = lambda tenant: index.forget(tenant.tid)
    stages = Stages(
        config=config,
        policy=pack,
        detector=found_by,
        embedder=lambda: embedders.configured,
        embedder_named=embedders.named,
        close_embedders=embedders.close,
        index=index,
        provider=keys,
        keystore=keystore,
        cache=cache,
        stores=stores,
        lease=lease,
        outside=outside,
        after=after,
        observer=observer(config, told, keystore),
        folder=folder,
    )
    if not restoring:
        sender = telemetry_sender(stages, folder)
        if sender is not None:
            stages.usage = sender
            stages.observer.tell(sender)
    return stages


def telemetry_sender(stages: Stages, folder: Path) -> Sender | None:
    """What counts calls and sends the counts, where every switch is on; its client is loaded then, in its thread."""
    asked = stages.config.telemetry
    endpoint = asked.endpoint
    if not asked.enabled or endpoint is None or not telemetry.switches(stages, folder).on:
        return None

    def key() -> str:
        return _project_key(asked.key or "", folder)

    def carrier(project_key: str) -> Carrier:
        try:
            from vault.door import Door
            from vault.observe.posthog import PosthogCarrier
        except ImportError:
            raise ConfigError(
                "telemetry.extra", "telemetry needs an extra: pip install 'memvault[telemetry]'"
            ) from None
        ca = folder / Path(asked.ca).expanduser() if asked.ca is not None else None
        door = Door(
            endpoint, ca=ca, proxy=None, loopback=endpoint.startswith("http:"), timeout_s=asked.timeout_s
        )
        return PosthogCarrier(door, endpoint, project_key)

    return Sender(
        telemetry.installation(stages),
        key=key,
        carrier=carrier,
        consent=lambda: telemetry.agreed(stages, folder),
        tell=stages.observer.say,
        interval_s=asked.interval_s,
        batch=asked.batch,
    )


def _project_key(value: str, folder: Path) -> str:
    if PROJECT_KEY.fullmatch(value):
        return value
    found = references.text(references.PROJECT_KEY, value, folder)
    if not PROJECT_KEY.fullmatch(found):
        raise ConfigError("telemetry.key_form", "what telemetry's key refers to is no project key (phc_...)")
    return found


def default_config(
    folder: Path,
    *,
    explicit_tenants: bool = False,
    key_folder: str | None = None,
    passphrase: str | None = None,
    backup: str | None = None,
    pkcs11: Mapping[str, str] | None = None,
) -> VaultConfig:
    """What `init` writes when nothing else is asked for; with `pkcs11` (module, token, pin) the key is on a token."""
    place = Path(key_folder) if key_folder else default_key_folder(folder.absolute().name)
    place = place.expanduser().absolute()
    backup = backup or str(place / "keystore-backups")
    keys: dict[str, object] = {"provider": f"file:{place}", "passphrase": passphrase, "backup": backup}
    if pkcs11:
        token = {**pkcs11, "vault_id": _unfinished_id(folder) or secrets.token_hex(8)}
        keys = {"provider": "pkcs11", "backup": backup, "pkcs11": token}
    config = VaultConfig.parse(
        {"keys": keys, "tenants": {"create": "explicit" if explicit_tenants else "implicit"}}
    )
    if pkcs11 and (key_folder or passphrase):
        raise ConfigError("keys.both", "the key is on a token or in a folder: give one of the two")
    if place.is_relative_to(folder.absolute()):
        raise ConfigError("keys.inside", "the key folder must lie outside the vault folder")
    if backup != "none" and Path(backup).expanduser().absolute().is_relative_to(folder.absolute()):
        raise ConfigError("keys.backup_inside", "keystore backups must lie outside the vault folder")
    return config


def _unfinished_id(folder: Path) -> str | None:
    """The id under which an `init` that was cut off may have left a key on a token: the next one takes it over."""
    try:
        note = (folder / UNFINISHED_NAME).read_bytes()
    except OSError:
        return None
    match = re.fullmatch(rb"pkcs11:([0-9a-f]{16})", note)
    return match[1].decode() if match else None
