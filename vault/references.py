"""Secrets by reference, `env:NAME` or `file:PATH`: read each time they are needed, and never kept."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from vault.errors import ConfigError

SecretSource = Callable[[], bytearray]


@dataclass(frozen=True, slots=True)
class Secret:
    """A kind of secret, by what is raised where its reference leads to nothing, or to a file that others can read."""

    unset: ConfigError
    unreadable: ConfigError
    exposed: ConfigError


PASSPHRASE: Final = Secret(
    ConfigError("keys.passphrase_missing", "the environment variable with the passphrase is not set"),
    ConfigError("keys.passphrase_missing", "the passphrase file cannot be read"),
    ConfigError("keys.passphrase_permissions", "the passphrase file is readable by others; make it 0600"),
)
PIN: Final = Secret(
    ConfigError("keys.pin_missing", "the environment variable with the PIN is not set"),
    ConfigError("keys.pin_missing", "the PIN file cannot be read"),
    ConfigError("keys.pin_permissions", "the PIN file is readable by others; make it 0600"),
)
EMBEDDER_KEY: Final = Secret(
    ConfigError("embedder.key_missing", "the environment variable with the API key is not set"),
    ConfigError("embedder.key_missing", "the file of the API key cannot be read"),
    ConfigError("embedder.key_permissions", "the file of the API key is readable by others; make it 0600"),
)
INDEX_KEY: Final = Secret(
    ConfigError("index.api_key_missing", "the environment variable with the API key of the index is not set"),
    ConfigError("index.api_key_missing", "the file of the API key of the index cannot be read"),
    ConfigError(
        "index.api_key_permissions",
        "the file of the API key of the index is readable by others; make it 0600",
    ),
)
OTEL_HEADER: Final = Secret(
    ConfigError("otel.header_missing", "the environment variable of a header of [otel] is not set"),
    ConfigError("otel.header_missing", "the file of a header of [otel] cannot be read"),
    ConfigError(
        "otel.header_permissions", "the file of a header of [otel] is readable by others; make it 0600"
    ),
)
PROJECT_KEY: Final = Secret(
    ConfigError("telemetry.key_missing", "the environment variable with telemetry's project key is not set"),
    ConfigError("telemetry.key_missing", "the file of telemetry's project key cannot be read"),
    ConfigError(
        "telemetry.key_permissions",
        "the file of telemetry's project key is readable by others; make it 0600",
    ),
)


def read(secret: Secret, reference: str, folder: Path) -> bytearray:
    """The secret behind a reference, a path relative to the vault's `folder`; the last line's end is not part of it.

    Raises ConfigError.
    """
    kind, _, place = reference.partition(":")
    if kind == "env":
        value = os.environ.get(place)
        if not value:
            raise _again(secret.unset)
        return bytearray(value.encode())
    path = Path(place).expanduser()
    path = path if path.is_absolute() else folder / path
    try:
        exposed = path.stat().st_mode & 0o077
        found = bytearray() if exposed else bytearray(path.read_bytes().rstrip(b"\r\n"))
    except OSError:
        raise _again(secret.unreadable) from None
    if exposed:
        raise _again(secret.exposed)
    return found


def source(secret: Secret, reference: str, folder: Path) -> SecretSource:
    """What reads a secret by its reference each time it is called."""
    return lambda: read(secret, reference, folder)


def text(secret: Secret, reference: str, folder: Path) -> str:
    """The secret as text, for a library that keeps it so."""
    return read(secret, reference, folder).decode("ascii", "replace")


def _again(problem: ConfigError) -> ConfigError:
    return ConfigError(problem.code, problem.message)
