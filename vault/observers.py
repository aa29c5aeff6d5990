"""Who is told of calls, by the configuration: the logger, and a receiver of OpenTelemetry where one is named."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final

from vault import references
from vault.config import OtelConfig, VaultConfig
from vault.errors import ConfigError
from vault.keys.keystore import Keystore
from vault.observe.calls import Listener, Observer
from vault.observe.events import Event
from vault.observe.guard import guard
from vault.observe.logs import LogListener
from vault.observe.pseudonyms import Names

_PRINTABLE: Final = range(0x20, 0x7F)  # of a header's value (RFC 9110, 5.5)


def listeners(config: VaultConfig, folder: Path) -> list[Listener]:
    """Who the configuration wants to be told; nobody where it wants nobody. Nothing is connected yet.

    Loggers of the vault and of its libraries are guarded from here on. Raises ConfigError without the extra of what is
    asked for, or where a secret cannot be read.
    """
    guard()
    logs = LogListener(config.logs.level)
    found: list[Listener] = [logs] if config.logs.level != "off" else []
    if config.otel.endpoint is not None and (config.otel.traces or config.otel.metrics):
        found.append(_otlp(config.otel, folder, logs.said))
    return found


def observer(config: VaultConfig, told: list[Listener], keystore: Keystore) -> Observer:
    """Tells them, with names of tenants that only this keystore can make."""
    names = Names(keystore.names_key, lambda: keystore.epoch, days=config.logs.pseudonym_days)
    if config.otel.endpoint is None or not (config.otel.traces and config.otel.join):
        return Observer(told, names)
    from vault.observe.around import host_span

    return Observer(told, names, host_span)


def _otlp(asked: OtelConfig, folder: Path, tell: Callable[[Event], None]) -> Listener:
    try:
        from vault.door import Door
        from vault.observe.sending import OtlpListener
    except ImportError:
        raise ConfigError(
            "otel.extra", "traces and metrics need an extra: pip install 'memvault[otel]'"
        ) from None
    headers = {}
    for entry in asked.headers:
        name, _, reference = entry.partition("=")
        value = references.read(references.OTEL_HEADER, reference, folder)
        if not value or any(byte not in _PRINTABLE for byte in value):
            raise ConfigError("otel.header_form", "a header of [otel] is not printable ASCII, or empty")
        headers[name] = value.decode("ascii")
    door = Door(
        asked.endpoint or "",
        ca=folder / Path(asked.ca).expanduser() if asked.ca is not None else None,
        proxy=None,
        loopback=True,
        timeout_s=asked.timeout_s,
    )
    return OtlpListener(
        door,
        headers,
        traces=asked.traces,
        metrics=asked.metrics,
        interval_s=asked.interval_s,
        tell=tell,
    )
