"""G1, G2 and G9 where the vault speaks: canaries through every method and verb, at DEBUG, with a failure at each stage.

Real receivers record what is sent. Then no canary is in a log line, in standard error, in a span or in a metric, in any
encoding; and nothing recorded is a digest of one that anybody could compute.
"""

from __future__ import annotations

import gc
import hashlib
import hmac
import io
import json
import logging
import os
import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from support import posthog
from support.canaries import Canaries
from support.drive import TABLE, Drive, Sync, drive, public_methods
from support.drive_cli import VERBS, Terminal, registered, telemetry_life
from support.faults import coming_to, failing
from support.receivers import OtlpReceiver, Recorded, receiving
from support.scan import Scanner, base64_forms

from vault import Vault, compose
from vault.aio import AsyncSession
from vault.config import LogsConfig, OtelConfig, TelemetryConfig, VaultConfig
from vault.crypto.primitives import SecretKey
from vault.door import Door
from vault.observe import handler
from vault.observe.events import PSEUDO_HEX
from vault.observe.words import Action, Stage

HEADER = "MEMVAULT_TEST_OTLP_KEY"
_TOKEN = re.compile(r"\[([A-Z][A-Z0-9_]*:[0-9a-z]{4,})\]")


class Lines:
    """The vault's own log, as JSON lines; a recorder like the receivers."""

    name = "log lines"

    def __init__(self) -> None:
        self.stream = io.StringIO()
        self._handler = handler("json", self.stream)

    def __enter__(self) -> Lines:
        logging.getLogger().addHandler(self._handler)
        return self

    def __exit__(self, *_: object) -> None:
        logging.getLogger().removeHandler(self._handler)

    def raw(self) -> bytes:
        return self.stream.getvalue().encode()

    def records(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.stream.getvalue().splitlines()]

    def strings(self) -> Iterator[str]:
        for record in self.records():
            yield from (str(value) for value in record.values())


@pytest.fixture
def otlp() -> Iterator[OtlpReceiver]:
    with receiving(OtlpReceiver()) as receiver:
        yield receiver


@pytest.fixture
def counts() -> Iterator[posthog.Receiver]:
    with posthog.receiving() as receiver:
        yield receiver


@pytest.fixture
def spoken(otlp: OtlpReceiver, counts: posthog.Receiver, monkeypatch: pytest.MonkeyPatch) -> list[Recorded]:
    """Every vault that is made speaks as loudly as it can, to every recorder; telemetry once somebody agreed."""
    canaries = Canaries(77)
    monkeypatch.setenv(HEADER, canaries.word("otlp key"))
    otlp_config = OtelConfig(endpoint=otlp.url, headers=(f"x-key=env:{HEADER}",), interval_s=1.0)
    counted = TelemetryConfig(enabled=True, endpoint=counts.url, key=posthog.KEY, interval_s=1)
    before: Callable[..., VaultConfig] = compose.default_config

    def loud(*args: Any, **kwargs: Any) -> VaultConfig:
        told = {"logs": LogsConfig(level="debug"), "otel": otlp_config, "telemetry": counted}
        return before(*args, **kwargs).model_copy(update=told)

    monkeypatch.setattr(compose, "default_config", loud)
    return [otlp, counts]


def digests(value: str) -> Iterator[tuple[str, bytes]]:
    """What a dictionary of likely ids would hold: unkeyed hashes, and HMACs under an empty key."""
    data = value.encode()
    for name in ("md5", "sha1", "sha256"):
        yield name, hashlib.new(name, data).digest()
        yield f"hmac-{name}", hmac.new(b"", data, name).digest()


def dictionary(values: dict[str, str]) -> Scanner:
    """Finds those digests, whole or cut to a pseudonym's length, raw, as hex and as base64."""
    patterns: dict[str, bytes] = {}
    for name, value in values.items():
        for kind, digest in digests(value):
            for data in (digest, digest[: PSEUDO_HEX // 2]):
                forms = {"raw": data, "hex": data.hex().encode(), **dict(base64_forms(data))}
                patterns |= {f"{kind} of {name} as {form} of {len(data)}": one for form, one in forms.items()}
    return Scanner({}, patterns)


def secrets_of(canaries: Canaries, texts: list[str], folder: Path) -> dict[str, str]:
    tokens = {token for text in texts for token in _TOKEN.findall(text)}
    return {
        **canaries.values,
        **canaries.stems(),
        **{f"token {token}": token for token in tokens},
        "path": str(folder),
        "name of a folder": folder.name,
        "otlp key": os.environ[HEADER],
    }


def keys_in_memory() -> dict[str, bytes]:
    found = {
        bytes(one.buffer)
        for one in gc.get_objects()
        if isinstance(one, SecretKey) and not one.closed and len(one) >= 16
    }
    patterns: dict[str, bytes] = {}
    for key in found:
        name = f"key {key[:2].hex()}"
        patterns |= {
            f"{name} raw": key,
            f"{name} hex": key.hex().encode(),
            f"{name} repr": repr(key).encode(),
        }
        patterns |= {f"{name} {form}": data for form, data in base64_forms(key)}
    return patterns


def nothing_in(recorders: list[Recorded], secrets: dict[str, str], keys: dict[str, bytes]) -> None:
    scanner, guessed = Scanner(secrets, keys), dictionary(secrets)
    known = {
        digest.hex()[:n] for value in secrets.values() for _, digest in digests(value) for n in (32, 40, 64)
    }
    for recorder in recorders:
        raw, strings = recorder.raw(), list(recorder.strings())
        assert len(raw) > 1_000, recorder.name
        assert scanner.scan(raw) == set(), recorder.name
        assert guessed.scan(raw) == set(), recorder.name
        assert not known & set(strings), recorder.name
        joined = "\n".join(strings).encode("utf-8", "backslashreplace")
        assert scanner.scan(joined) == set(), recorder.name


def target(d: Drive, name: str) -> Any:
    """What a function of the table is given."""
    cls = name.partition(".")[0]
    privacy = d.session("privacy", "rights-request")
    if cls == "Request":
        return privacy.requests.get
    parts = {"Requests": "requests", "Holds": "holds", "Subjects": "subjects", "Exports": "exports"}
    if cls in parts:
        return getattr(privacy, parts[cls])
    return {"Session": d.session, "Admin": d.admin}.get(cls, lambda: None)()


def in_a_folder(tmp_path: Path) -> Path:
    work = tmp_path / Canaries(78).word("folder")
    work.mkdir()
    return work


@pytest.mark.slow
def test_every_method_at_debug_and_a_failure_at_every_stage(
    tmp_path: Path,
    log: io.StringIO,
    capfd: pytest.CaptureFixture[str],
    otlp: OtlpReceiver,
    counts: posthog.Receiver,
    spoken: list[Recorded],
) -> None:
    work = in_a_folder(tmp_path)
    with Lines() as lines:
        d = Drive(work, seed=9)
        posthog.operator_of(d.vault).telemetry_enable()
        d.vault.close()
        d.vault = Vault.open(d.vault.folder)
        drive(d)
        assert d.covered == public_methods()
        d.at = 0
        struck = {stage: strike_api(d, stage) for stage in Stage}
        keys = keys_in_memory()
        d.close()
    assert all(struck.values()), struck
    assert len(keys) > 100

    host = log.getvalue()
    recorders = [
        *spoken,
        lines,
        Text("host's log", host),
        Text("standard error", "\n".join(capfd.readouterr()), 0),
    ]
    nothing_in(recorders, secrets_of(d.canaries, d.texts, work), keys)
    assert host.count("not shown") > 100  # records of libraries came by, and said nothing
    spans = otlp.spans()
    assert {span.name for span in spans} <= {one.value for kind in (Action, Stage) for one in kind}
    assert {one.value for one in Stage} <= {span.name for span in spans}
    assert len({span.name for span in spans}) > 40
    said = {record.get("action") for record in lines.records()} - {None}
    assert said - {span.name for span in spans} == set()
    assert otlp.metrics()["memvault.calls"].sum.data_points
    assert all(one.headers["x-key"] == os.environ[HEADER] for one in otlp.requests)
    results = {one["properties"].get("result") for one in counts.events()}
    assert {"ok", "denied", "not_found", "failed", "unavailable"} <= results


def strike_api(d: Drive, stage: Stage) -> int:
    """Every function of the table once more, each until its first call comes to the stage."""
    hits = 0
    done: set[Any] = set()
    for name, function in TABLE.items():
        if name.startswith("Async") or function in done or name in ("Vault.close", "Vault.restore"):
            continue
        done.add(function)
        given = target(d, name)
        with failing(stage, d.canaries) as fault:
            try:
                function(d, given)
            except Exception as error:  # noqa: BLE001 - whatever comes out of it, nothing must be seen elsewhere
                d.errors.append(error)
        hits += fault.hits
    session = Sync(AsyncSession(d.session()))
    with failing(stage, d.canaries) as fault:
        for verb in (session.search, session.add):
            try:
                verb(d.canaries.fact(), user_id=d.people[0])
            except Exception as error:  # noqa: BLE001
                d.errors.append(error)
    return hits + fault.hits


class Text:
    """Text that was captured some other way."""

    def __init__(self, name: str, text: str, least: int = 1_000) -> None:
        self.name = name
        self._text = text + "\n" * max(0, 1_001 - least - len(text))

    def raw(self) -> bytes:
        return self._text.encode("utf-8", "backslashreplace").ljust(1_001)

    def strings(self) -> Iterator[str]:
        yield from self._text.split()


@pytest.mark.slow
def test_every_verb_at_debug_and_a_failure_at_every_stage(
    tmp_path: Path,
    log: io.StringIO,
    capfd: pytest.CaptureFixture[str],
    otlp: OtlpReceiver,
    counts: posthog.Receiver,
    spoken: list[Recorded],
) -> None:
    assert set(VERBS) == set(registered())
    terminal = Terminal(in_a_folder(tmp_path))
    came: dict[Any, set[Stage]] = {}
    for function in dict.fromkeys(VERBS.values()):
        with coming_to() as stages:
            function(terminal)
        came[function] = stages
    loud = "\n".join(terminal.said)
    assert loud.count('"event":"stage"') > 300  # the command line writes what its vault is configured to say
    struck = dict.fromkeys(Stage, 0)
    for function, stages in came.items():
        agree(terminal, function)
        for stage in stages:
            # A verb that fails is what this is about. It shows the message of an error of ours, whose contract it is to
            # hold no content, so the failures here are of other kinds.
            with failing(stage, terminal.canaries, ours=False) as fault, suppress(Exception):
                function(terminal)
            struck[stage] += fault.hits
    assert all(struck.values()), struck
    recorders = [
        *spoken,
        Text("standard error of commands", "\n".join(terminal.said)),
        Text("host's log", log.getvalue()),
        Text("standard error", "\n".join(capfd.readouterr()), 0),
    ]
    nothing_in(recorders, secrets_of(terminal.canaries, [], terminal.folder), {})
    assert '"event":"exception","where":"command"' in "".join(terminal.said)
    assert len({one["properties"].get("action") for one in counts.events()}) > 25


def agree(terminal: Terminal, function: Callable[[Terminal], None]) -> None:
    """Telemetry is on in every command, but where a verb switches it on itself, or there is no vault yet."""
    if (terminal.folder / "vault").exists():
        terminal.run("telemetry", "disable" if function is telemetry_life else "enable")


# --- seen to fail ------------------------------------------------------------------------------------------------


def test_what_a_span_should_not_hold_is_found(otlp: OtlpReceiver) -> None:
    canaries = Canaries(5)
    user = canaries.identity("user id")
    secrets, door = dict(canaries.values), Door(otlp.url, ca=None, proxy=None, loopback=True, timeout_s=5)
    for value in (
        user,
        hashlib.sha1(user.encode()).hexdigest(),  # noqa: S324 - what must not be there
        hmac.new(b"", user.encode(), "sha256").hexdigest(),
    ):
        request = ExportTraceServiceRequest()
        span = request.resource_spans.add().scope_spans.add().spans.add(name="call " + "x" * 2_000)
        span.attributes.add(key="user").value.string_value = value
        otlp.requests.clear()
        door.send("/v1/traces", request.SerializeToString(), {}, most_bytes=100)
        with pytest.raises(AssertionError):
            nothing_in([otlp], secrets, {})
    door.close()
