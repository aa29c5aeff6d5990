"""The configuration: one TOML file into frozen objects; an unknown key stops the start.

Secrets are never values, only references: `file:PATH` or `env:NAME`. The environment can name the vault folder
(`MEMVAULT_VAULT`) and switch telemetry off; policy, keys and limits cannot be changed from outside the file.
"""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Annotated, Any, Final, Literal, NamedTuple, get_args

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    ValidationInfo,
    field_validator,
)

from vault.errors import ConfigError

FILE_NAME: Final = "memvault.toml"
FORMAT: Final = 1
PROJECT_KEY: Final = re.compile(r"phc_[A-Za-z0-9]{1,100}")  # public by its maker's word: it can only send


class _Section(BaseModel):
    # strict: a switch is no number and "5" is no 5; TOML has a type for each
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True, strict=True)


def _reference(value: str) -> str:
    if not (value.startswith(("env:", "file:")) and value.partition(":")[2]):
        raise ValueError("must be env:NAME or file:PATH, never the secret")
    return value


def _project_key(value: str) -> str:
    return value if PROJECT_KEY.fullmatch(value) else _reference(value)


def _local_or_https(value: str) -> str:
    scheme, _, rest = value.partition("://")
    place = rest.partition("/")[0]
    host = place if place.endswith("]") else place.rpartition(":")[0] or place
    if scheme == "http" and host not in ("localhost", "127.0.0.1", "[::1]"):
        raise ValueError("must be https, but on this machine")
    return value


_HEADER: Final = r"^[A-Za-z0-9-]{1,64}=(env|file):[^\x00-\x1f\x7f]{1,1024}$"


class Pkcs11Config(_Section):
    """The token that holds the root key, where `keys.provider` is `pkcs11`; needs the extra `hsm`."""

    module: str = Field(
        pattern=r"^/[^\x00]{1,4095}$", description="absolute path of the PKCS#11 module, a shared library"
    )
    token: str = Field(
        pattern=r"^[^\x00-\x1f\x7f]{1,64}$",
        description="label of the token, or `serial:` and its serial number",
    )
    pin: Annotated[str, AfterValidator(_reference)] = Field(
        description="`env:NAME` or `file:PATH`: the user PIN of the token"
    )
    vault_id: str = Field(
        pattern=r"^[0-9a-f]{16}$", description="names this vault's keys on the token; never change it"
    )
    timeout_s: float = Field(
        default=10.0, ge=0.1, le=600, description="wait for the token; after that the call is given up"
    )


class KeysConfig(_Section):
    """Where the root key lives and where the keystore is backed up."""

    provider: str = Field(
        description="`file:FOLDER`: a folder of epoch key files, outside the vault folder; or `pkcs11`: a token"
    )
    passphrase: str | None = Field(
        default=None,
        description="`env:NAME` or `file:PATH`: a passphrase (Argon2id) that wraps the key files",
    )
    backup: str = Field(description="folder for keystore backups, or `none` to say that none is wanted")
    cache_ttl_s: int = Field(
        default=300, ge=1, le=3600, description="how long an unwrapped key may stay in memory"
    )
    cache_entries: int = Field(
        default=10_000, ge=16, le=1_000_000, description="unwrapped subject keys in memory"
    )
    pkcs11: Pkcs11Config | None = Field(
        default=None, validate_default=True, description="the token, where `provider` is `pkcs11`"
    )

    @field_validator("provider")
    @classmethod
    def _provider(cls, value: str) -> str:
        if value != "pkcs11" and (not value.startswith("file:") or not value[5:]):
            raise ValueError("must be file:FOLDER or pkcs11")
        return value

    @field_validator("passphrase")
    @classmethod
    def _passphrase(cls, value: str | None, info: ValidationInfo) -> str | None:
        if value is not None and info.data.get("provider") == "pkcs11":
            raise ValueError("only key files have a passphrase")
        return None if value is None else _reference(value)

    @field_validator("pkcs11")
    @classmethod
    def _pkcs11(cls, value: Pkcs11Config | None, info: ValidationInfo) -> Pkcs11Config | None:
        if (value is None) == (info.data.get("provider") == "pkcs11"):
            raise ValueError("stands there where the provider is pkcs11, and only there")
        return value


class TenantsConfig(_Section):
    """How tenants come to be and how many files stay open."""

    create: Literal["implicit", "explicit"] = Field(
        default="implicit",
        description="`implicit`: the first session creates the tenant; `explicit`: only the command",
    )
    open_files: int = Field(default=64, ge=1, le=4096, description="records files kept open at once")


class PolicyConfig(_Section):
    """Which pack decides."""

    pack: str = Field(default="baseline", description="name of a shipped pack, or path of a pack folder")


SERVICES: Final = ("openai", "azure", "ollama")


class _Takes(NamedTuple):
    """What a provider of embedders must, and may, be told beside its name."""

    needs: tuple[str, ...] = ()
    may: tuple[str, ...] = ()


_TAKES: Final = {
    "static": _Takes(),
    "minilm": _Takes(may=("folder",)),
    **{name: _Takes(needs=("model",)) for name in SERVICES},
    "sentence-transformers": _Takes(needs=("folder",)),
    "fastembed": _Takes(needs=("model", "folder")),
}


DetectorName = Annotated[
    str,
    StringConstraints(pattern=r"^(builtin|presidio(:(spacy|transformers|gliner)/[^\s\x00-\x1f]{1,500})?)$"),
]


class DetectionConfig(_Section):
    """Which detectors run on every text; their findings are united."""

    detectors: tuple[DetectorName, ...] = Field(
        default=("builtin",),
        min_length=1,
        max_length=8,
        strict=False,
        description="`builtin`; where that extra is installed `presidio`, or with a model `presidio:spacy/NAME`, "
        "`presidio:transformers/NAME`, `presidio:gliner/NAME` (a NAME from `.` or `/` is a folder); nothing is fetched",
    )
    recognisers: tuple[str, ...] = Field(
        default=(),
        max_length=32,
        strict=False,
        description="YAML files of Presidio pattern recognisers, for the detectors `presidio`",
    )


class RemoteConfig(_Section):
    """The service that embeds, where `embedder.provider` is `openai`, `azure` or `ollama`; needs the extra `remote`."""

    url: str = Field(
        pattern=r"^https?://[^\s/@?#\x00-\x1f\x7f]{1,255}(/[^\s@?#\x00-\x1f\x7f]{0,512})?$",
        description="base address: texts go to this host and to no other",
    )
    key: Annotated[str, AfterValidator(_reference)] | None = Field(
        default=None, description="`env:NAME` or `file:PATH`: the API key"
    )
    dimension: int = Field(ge=1, le=8192, description="length of the model's vectors")
    ask_dimension: bool = Field(
        default=False, description="ask the service for that length, where the model has several"
    )
    revision: str = Field(
        default="1",
        pattern=r"^[A-Za-z0-9._-]{1,64}$",
        description="change it when the service changes the model under the same name; then run memvault reembed",
    )
    api_version: str = Field(
        default="2024-10-21",
        pattern=r"^[A-Za-z0-9._-]{1,32}$",
        description="`azure`: version of its interface",
    )
    ca: str | None = Field(
        default=None, description="PEM file of the authorities to trust in the place of the system's"
    )
    proxy: str | None = Field(
        default=None,
        pattern=r"^https?://[^\s/@?#\x00-\x1f\x7f]{1,255}/?$",
        description="proxy to go through; the environment's is never used",
    )
    loopback: bool = Field(
        default=False, description="allow http, without TLS, where the host is this machine's loopback"
    )
    timeout_s: float = Field(default=10.0, ge=0.1, le=300, description="for one request, answer included")
    batch: int = Field(default=64, ge=1, le=2048, description="texts in one request")


class EmbedderChoice(_Section):
    """Which model turns texts into vectors."""

    provider: Literal[
        "static", "minilm", "openai", "azure", "ollama", "sentence-transformers", "fastembed"
    ] = Field(
        default="static",
        description="`static`, shipped; local with their extra: `minilm`, `sentence-transformers`, `fastembed`; "
        "services, which read redacted texts: `openai` and what speaks like it, `azure`, `ollama`; nothing is fetched",
    )
    model: str | None = Field(
        default=None,
        validate_default=True,
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._:/-]{0,199}$",
        description="name of the model, for `openai`, `ollama` and `fastembed`; of the deployment, for `azure`",
    )
    folder: str | None = Field(
        default=None,
        validate_default=True,
        min_length=1,
        description="folder of the model, for `sentence-transformers`, `fastembed`, and `minilm` without its package",
    )
    remote: RemoteConfig | None = Field(
        default=None, validate_default=True, description="the service, where `provider` is one"
    )

    @field_validator("model", "folder")
    @classmethod
    def _named(cls, value: str | None, info: ValidationInfo) -> str | None:
        takes = _TAKES[info.data.get("provider", "static")]
        needed = info.field_name in takes.needs
        if needed if value is None else not (needed or info.field_name in takes.may):
            raise ValueError("stands there where the provider takes it, and only there")
        return value

    @field_validator("remote")
    @classmethod
    def _remote(cls, value: RemoteConfig | None, info: ValidationInfo) -> RemoteConfig | None:
        if (value is None) == (info.data.get("provider") in SERVICES):
            raise ValueError("stands there where the provider is a service, and only there")
        return value


class EmbedderConfig(EmbedderChoice):
    """Which model turns texts into vectors, and which one did until `memvault reembed` is through."""

    previous: EmbedderChoice | None = Field(
        default=None, description="the model before, while memvault reembed changes it"
    )


class LimitsConfig(_Section):
    """Bounds on one call; more is refused, never truncated."""

    text_bytes: int = Field(
        default=65_536, ge=256, le=1_048_576, description="UTF-8 bytes of one text or query"
    )
    metadata_bytes: int = Field(
        default=16_384, ge=256, le=262_144, description="JSON bytes of one metadata object"
    )
    messages: int = Field(default=1_000, ge=1, le=100_000, description="messages in one add")
    results: int = Field(default=1_000, ge=1, le=10_000, description="memories one search or page may return")
    lock_timeout_s: float = Field(
        default=10.0, ge=0.1, le=600, description="wait for another process's write"
    )
    cache_mb: int = Field(
        default=256, ge=1, le=65_536, description="unsealed vectors and terms kept in memory"
    )
    workers: int | None = Field(
        default=None,
        ge=1,
        le=256,
        description="processes that detect for a large add_many or import; 1: this one; none: one for each core",
    )


class QdrantConfig(_Section):
    """Where Qdrant is, where the index is kept there or was; needs the extra `qdrant`."""

    url: str = Field(
        default="http://localhost:6333",
        pattern=r"^https?://[^\s/?#@]{1,255}/?$",
        description="address of its REST interface: https, or http on this machine",
    )
    grpc_port: int | None = Field(
        default=None, ge=1, le=65_535, description="port of its gRPC interface, which is used then"
    )
    api_key: Annotated[str, AfterValidator(_reference)] | None = Field(
        default=None, description="`env:NAME` or `file:PATH`: its API key"
    )
    ca: str | None = Field(
        default=None, min_length=1, description="PEM file of the certificates to trust; default: the system's"
    )
    collection: str = Field(
        default="memvault",
        pattern=r"^[a-z0-9_-]{1,64}$",
        description="name of the collection, to which the length of vectors is added",
    )
    timeout_s: int = Field(default=5, ge=1, le=600, description="wait for one answer")
    vacuum_timeout_s: int = Field(
        default=600, ge=1, le=86_400, description="wait for the vacuum that an erasure asks for"
    )
    shard_number: int | None = Field(
        default=None, ge=1, le=10_000, description="shards of a new collection (with shard keys: of a tenant)"
    )
    shard_keys: bool = Field(default=False, description="a shard of its own for each tenant; in a cluster")
    replication_factor: int | None = Field(
        default=None, ge=1, le=100, description="copies of each shard of a new collection"
    )
    write_consistency_factor: int | None = Field(
        default=None, ge=1, le=100, description="copies that a write waits for, of a new collection"
    )
    read_consistency: Literal["majority", "quorum", "all"] | None = Field(
        default=None, description="copies that a read asks; default: one"
    )

    @field_validator("url")
    @classmethod
    def _private(cls, value: str) -> str:
        return _local_or_https(value)


class IndexConfig(_Section):
    """Where memories are searched."""

    adapter: Literal["sealed", "qdrant"] = Field(
        default="sealed",
        description="index of new tenants: `sealed`, in the records, or `qdrant`; `index move` brings the others",
    )
    qdrant: QdrantConfig | None = Field(
        default=None, validate_default=True, description="where Qdrant is; needed while any tenant is there"
    )

    @field_validator("qdrant")
    @classmethod
    def _named(cls, value: QdrantConfig | None, info: ValidationInfo) -> QdrantConfig | None:
        if value is None and info.data.get("adapter") == "qdrant":
            raise ValueError("stands there where the adapter is qdrant")
        return value


class AuditConfig(_Section):
    """When the log is signed."""

    checkpoint_entries: int = Field(default=1_000, ge=1, le=100_000, description="sign after so many entries")
    checkpoint_s: int = Field(
        default=60, ge=1, le=86_400, description="sign after so many seconds with new entries"
    )
    archive: str = Field(
        default="archive",
        min_length=1,
        description="folder for what is signed, never part of a data backup; better on another volume",
    )


class BackupConfig(_Section):
    """Where data backups go and how long backups are kept; copies of the keystore go where `keys.backup` says.

    A backup is removed by the next one, where a number is set and neither number wants it kept; the newest usable one
    always stays.
    """

    data: str | None = Field(
        default=None,
        description="folder for data backups made without `--to`; never where keystore copies go",
    )
    data_keep: int | None = Field(default=None, ge=1, le=100_000, description="data backups to keep")
    data_keep_days: int | None = Field(
        default=None, ge=1, le=36_500, description="days for which data backups are kept"
    )
    keystore_keep: int | None = Field(
        default=None, ge=1, le=100_000, description="keystore backups to keep, of a living epoch"
    )
    keystore_keep_days: int | None = Field(
        default=None,
        ge=1,
        le=36_500,
        description="days for which keystore backups of a living epoch are kept",
    )


class TelemetryConfig(_Section):
    """Where counts of calls go, once the operator agreed (`memvault telemetry enable`); needs the extra `telemetry`."""

    enabled: bool = Field(
        default=False, description="one of the switches that all have to be on; see docs/telemetry.md"
    )
    endpoint: str | None = Field(
        default=None,
        validate_default=True,
        pattern=r"^https?://[^\s/@?#\x00-\x1f\x7f]{1,255}(/[^\s@?#\x00-\x1f\x7f]{0,512})?$",
        description="base address of a PostHog: https, or http on this machine's loopback; no other host is asked",
    )
    key: Annotated[str, AfterValidator(_project_key)] | None = Field(
        default=None,
        validate_default=True,
        description="the project's public key, `phc_...`; or `env:NAME` or `file:PATH`",
    )
    ca: str | None = Field(
        default=None, description="PEM file of the authorities to trust in the place of the system's"
    )
    interval_s: int = Field(default=3_600, ge=1, le=604_800, description="seconds between two sendings")
    batch: int = Field(default=100, ge=1, le=1_000, description="events in one request")
    timeout_s: float = Field(default=5.0, ge=0.1, le=60, description="for one request, answer included")

    @field_validator("endpoint")
    @classmethod
    def _private(cls, value: str | None, info: ValidationInfo) -> str | None:
        return _needed(None if value is None else _local_or_https(value), info)

    @field_validator("key")
    @classmethod
    def _key(cls, value: str | None, info: ValidationInfo) -> str | None:
        return _needed(value, info)


def _needed(value: str | None, info: ValidationInfo) -> str | None:
    if value is None and info.data.get("enabled"):
        raise ValueError("stands there where telemetry is enabled")
    return value


class LogsConfig(_Section):
    """What is said by the logger `memvault`: events of a closed catalogue, never content."""

    level: Literal["off", "error", "warning", "info", "debug"] = Field(
        default="warning",
        description="from which level on: `info` has a line for each call, `debug` one for each stage",
    )
    format: Literal["json", "console"] = Field(
        default="json", description="of the lines that the command line writes, from level `info` on"
    )
    pseudonym_days: int = Field(
        default=30, ge=1, le=3_650, description="after so many days tenants have other pseudonyms in events"
    )


class OtelConfig(_Section):
    """Where traces and metrics go, as OpenTelemetry's protocol over HTTP; needs the extra `otel`."""

    endpoint: str | None = Field(
        default=None,
        pattern=r"^https?://[^\s/@?#\x00-\x1f\x7f]{1,255}(/[^\s@?#\x00-\x1f\x7f]{0,512})?$",
        description="base address of the receiver: https, or http on this machine; without one nothing is sent",
    )
    traces: bool = Field(default=True, description="send a span for each call and each of its stages")
    join: bool = Field(
        default=True, description="make them part of the host's trace, where a call is made inside one"
    )
    metrics: bool = Field(default=True, description="send counters, durations and ages")
    headers: tuple[Annotated[str, StringConstraints(pattern=_HEADER)], ...] = Field(
        default=(),
        max_length=16,
        strict=False,
        description="of every request: `NAME=env:NAME` or `NAME=file:PATH`",
    )
    ca: str | None = Field(
        default=None, min_length=1, description="PEM file of the authorities to trust; default: the system's"
    )
    timeout_s: float = Field(default=10.0, ge=0.1, le=300, description="for one request, answer included")
    interval_s: float = Field(default=60.0, ge=1, le=3600, description="seconds between two sets of metrics")

    @field_validator("endpoint")
    @classmethod
    def _private(cls, value: str | None) -> str | None:
        return None if value is None else _local_or_https(value)


class CliConfig(_Section):
    """Defaults of the command line."""

    tenant: str | None = Field(
        default=None,
        description="tenant of commands without `--tenant`; left out, the vault's only tenant, and no name stands here",
    )
    purpose: str = Field(default="service", description="purpose of commands without `--purpose`")
    roles: tuple[str, ...] = Field(
        default=("app",), strict=False, description="roles of commands without `--role`"
    )
    user: str | None = Field(default=None, description="user id of commands without `--user`")


class VaultConfig(_Section):
    """The whole of `memvault.toml`."""

    format: int = Field(
        default=FORMAT, ge=FORMAT, le=FORMAT, description="version of the vault folder's layout"
    )
    keys: KeysConfig
    tenants: TenantsConfig = TenantsConfig()
    policy: PolicyConfig = PolicyConfig()
    detection: DetectionConfig = DetectionConfig()
    embedder: EmbedderConfig = EmbedderConfig()
    limits: LimitsConfig = LimitsConfig()
    index: IndexConfig = IndexConfig()
    audit: AuditConfig = AuditConfig()
    backup: BackupConfig = BackupConfig()
    telemetry: TelemetryConfig = TelemetryConfig()
    logs: LogsConfig = LogsConfig()
    otel: OtelConfig = OtelConfig()
    cli: CliConfig = CliConfig()

    @classmethod
    def load(cls, folder: Path) -> VaultConfig:
        """Read `memvault.toml` of a vault folder; raises ConfigError naming file position or key, never a value."""
        path = folder / FILE_NAME
        try:
            with path.open("rb") as file:
                data: dict[str, Any] = tomllib.load(file)
        except FileNotFoundError:
            raise ConfigError(
                "config.missing", "no vault here: memvault.toml not found (memvault init makes one)"
            ) from None
        except (OSError, UnicodeDecodeError):
            raise ConfigError("config.unreadable", "memvault.toml cannot be read") from None
        except tomllib.TOMLDecodeError:
            raise ConfigError("config.syntax", "memvault.toml is not valid TOML") from None
        found = data.get("format", FORMAT)
        if isinstance(found, int) and found > FORMAT:
            raise ConfigError(
                "config.newer", "this vault was written by a newer memvault; upgrade to open it"
            )
        return cls.parse(data)

    @classmethod
    def parse(cls, data: dict[str, Any]) -> VaultConfig:
        try:
            return cls.model_validate(data)
        except ValidationError as error:
            first = error.errors(include_input=False, include_context=False, include_url=False)[0]
            key = ".".join(str(part) for part in first["loc"]) or "(top level)"
            problem = (
                "is not a known key" if first["type"] == "extra_forbidden" else "is missing or not allowed"
            )
            raise ConfigError("config.invalid", f"memvault.toml: {key} {problem}") from None


def render(config: VaultConfig) -> str:
    """The TOML text of a configuration, with each key's description above it."""
    lines = ["# memvault configuration; unknown keys stop the start. Reference: docs/configuration.md", ""]
    lines.append(f"format = {config.format}")
    for section in type(config).model_fields:
        value = getattr(config, section)
        if isinstance(value, BaseModel):
            lines += _rendered(section, value)
    return "\n".join(lines) + "\n"


def _rendered(section: str, values: BaseModel) -> list[str]:
    """A section, and behind its keys the sections in it; a section that is not there is left out."""
    lines, inner = ["", f"[{section}]"], []
    for name, field in type(values).model_fields.items():
        entry = getattr(values, name)
        if isinstance(entry, BaseModel):
            inner += _rendered(f"{section}.{name}", entry)
        elif not any(
            isinstance(kind, type) and issubclass(kind, BaseModel) for kind in get_args(field.annotation)
        ):
            lines.append(f"# {field.description}")
            lines.append(f"# {name} = " if entry is None else f"{name} = {_toml(entry)}")
    return lines + inner


def _toml(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return str(value)
    if isinstance(value, tuple):
        return "[" + ", ".join(_toml(part) for part in value) + "]"
    escaped = str(value).replace("\\", "\\\\").replace('"', '\\"')
    escaped = "".join(f"\\u{ord(c):04x}" if ord(c) < 32 or ord(c) == 127 else c for c in escaped)
    return f'"{escaped}"'
