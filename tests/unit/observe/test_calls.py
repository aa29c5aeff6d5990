"""What a call tells, and whom; and that nobody is asked where nobody listens."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from datetime import timedelta

import pytest
from support.calls import operator, session_of

from vault import Vault, compose
from vault.config import LogsConfig, OtelConfig
from vault.crypto.primitives import SecretKey
from vault.errors import ConfigError, IntegrityViolationError, KeyProviderError, NotFoundError, VaultError
from vault.observe.calls import MOST_SPANS, Around, Call, Observer, counted, detected, stage
from vault.observe.catalogue import Alarmed, Called, Detected, Measured, Staged
from vault.observe.events import Event
from vault.observe.pseudonyms import Names
from vault.observe.words import Action, Code, Entity, Result, Stage


class Ears:
    """Keeps everything it is told."""

    detailed = True

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self.events: list[Event] = []
        self.closed = 0

    def ended(self, call: Call) -> None:
        self.calls.append(call)

    def said(self, event: Event) -> None:
        self.events.append(event)

    def close(self) -> None:
        self.closed += 1


@pytest.fixture
def heard(clinic: Vault) -> Ears:
    ears, stages = Ears(), clinic._opened()
    stages.observer = Observer(
        [ears], Names(stages.keystore.names_key, lambda: stages.keystore.epoch, days=30)
    )
    return ears


def test_an_add_and_a_search_tell_their_stages_and_counts(clinic: Vault, heard: Ears) -> None:
    session = session_of(clinic)
    session.add("Write to ana.rivera@example.org about the scan.", user_id="pat-1")
    session.search("the scan", user_id="pat-1")
    added, searched = heard.calls
    assert [span.stage for span in added.spans] == [
        Stage.DECIDE, Stage.DETECT, Stage.REDACT, Stage.EMBED, Stage.SEAL, Stage.COMMIT,
    ]  # fmt: skip
    assert [span.stage for span in searched.spans] == [
        Stage.DECIDE, Stage.EMBED, Stage.FIND, Stage.OPEN, Stage.COMMIT,
    ]  # fmt: skip
    assert (added.action, added.result, added.count, added.hits["EMAIL_ADDRESS"]) == (
        Action("memory.add"), Result.OK, 1, 1,
    )  # fmt: skip
    assert searched.count == 1
    said = list(added.events())
    assert Detected(Entity("EMAIL_ADDRESS"), 1) in said
    assert isinstance(said[-1], Called)
    assert sum(isinstance(one, Staged) for one in said) == 6
    total = sum((one.duration for one in said if isinstance(one, Staged)), timedelta())
    assert timedelta() < total <= said[-1].duration


def test_a_refusal_tells_its_code_and_an_alarm_is_raised_for_broken_bytes(clinic: Vault, heard: Ears) -> None:
    session = session_of(clinic)
    with pytest.raises(NotFoundError):
        session.get("nothing")
    assert (heard.calls[-1].result, heard.calls[-1].code) == (Result.NOT_FOUND, Code("memory.unknown"))
    heard.events.clear()
    observer = clinic._opened().observer
    with pytest.raises(VaultError), observer.call("memory.get", "clinic"):
        raise IntegrityViolationError("records.changed", "x")
    (alarm,) = heard.events
    assert isinstance(alarm, Alarmed)
    assert alarm.code is Code("records.changed")


def test_upkeep_is_looked_at_once_a_minute(clinic: Vault, heard: Ears) -> None:
    session = session_of(clinic)
    for _ in range(3):
        session.add("The kettle is green.", user_id="pat-1")
    (state,) = [event for event in heard.events if isinstance(event, Measured)]
    assert state.unsigned >= 1
    assert state.outbox == 0
    assert state.key_age is not None
    assert state.backup_age is None
    operator(clinic).audit_checkpoint()
    clinic._opened().observer._measured.clear()
    session.list(user_id="pat-1")
    latest = [event for event in heard.events if isinstance(event, Measured)][-1]
    assert latest.checkpoint_age is not None
    assert latest.archive_age is not None
    assert latest.checkpoint_age < timedelta(minutes=5)


def test_tenants_have_one_name_each_and_another_after_a_roll(clinic: Vault, heard: Ears) -> None:
    one, other = session_of(clinic), session_of(clinic, "other")
    one.list(user_id="a")
    other.list(user_id="a")
    first = heard.calls[-2].tenant
    assert first is not None
    assert first != heard.calls[-1].tenant
    one.list(user_id="b")
    assert heard.calls[-1].tenant == first
    operator(clinic).keys_rotate("root")
    one.list(user_id="b")
    assert heard.calls[-1].tenant not in (None, first)
    assert str(first) not in ("clinic", "")


def test_the_key_of_names_changes_with_the_days_and_is_wiped() -> None:
    roots = [SecretKey(bytearray(b"k" * 32)) for _ in range(4)]
    found = []
    for days in (30, 31):
        names = Names(roots.pop, lambda: 1, days=days)
        names.prepare()
        names.prepare()  # once is enough
        found.append(names.tenant("clinic"))
        key = names._key
        names.close()
        assert key is not None
        assert key.closed
        assert names.tenant("clinic") is None
    assert None not in found
    assert found[0] != found[1]
    assert len(roots) == 2


def test_a_keystore_that_fails_breaks_no_call() -> None:
    def fails() -> SecretKey:
        raise KeyProviderError("keys.epoch_missing", "x")

    ears = Ears()
    observer = Observer([ears], Names(fails, lambda: 1, days=30))
    with observer.call("memory.add", "clinic"):
        observer.prepare()
    assert ears.calls[0].tenant is None


def test_calls_inside_calls_are_one_trace_and_stages_are_bounded() -> None:
    ears = Ears()
    observer = Observer([ears])
    with observer.call("subject.erase", "t"):
        with observer.call("memory.delete", "t"):
            counted(2)
        for _ in range(MOST_SPANS + 10):
            with stage(Stage.OPEN):
                detected(["PERSON", "OF_A_TENANT"])
    inner, outer = ears.calls
    assert inner.around == Around(outer.trace_id, outer.span_id, sampled=True)
    assert outer.around is None
    assert inner.trace_id == outer.trace_id != 0
    assert inner.span_id != outer.span_id
    assert (inner.count, outer.count) == (2, None)
    assert len(outer.spans) == MOST_SPANS
    assert outer.detected() == {"PERSON": MOST_SPANS + 10, "custom": MOST_SPANS + 10}


def test_nobody_listens_and_nothing_is_kept() -> None:
    observer = Observer()
    assert observer.call("memory.add", "t") is observer.call("memory.get", "t")
    assert stage(Stage.OPEN) is stage(Stage.FIND)
    assert not observer.due("t")
    observer.alarm("memory.get", "t")
    observer.close()


def test_by_default_nothing_of_opentelemetry_and_no_http_client_is_imported() -> None:
    code = (
        "import sys, tempfile, pathlib\n"
        "from vault import Vault, Principal\n"
        "d = pathlib.Path(tempfile.mkdtemp())\n"
        "v = Vault.init(d / 'v', key_folder=d / 'k')\n"
        "v.session(Principal('t', 'p', ('app',)), purpose='service').add('The kettle is green.', user_id='a')\n"
        "v.close()\n"
        "foreign = ('opentelemetry', 'google', 'httpcore2', 'posthog')\n"
        "print([m for m in sys.modules if m.partition('.')[0] in foreign])\n"
        "import threading; print(threading.active_count())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split("\n")[:2] == ["[]", "1"]
    assert done.stderr == ""


def test_a_vault_does_not_open_with_half_of_what_it_is_told_to_send(
    make_vault: Callable[..., Vault], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MEMVAULT_NO_SUCH", raising=False)
    before = compose.default_config

    def loud(*args: object, **kwargs: object) -> object:
        otel = OtelConfig(endpoint="http://127.0.0.1:9", headers=("authorization=env:MEMVAULT_NO_SUCH",))
        return before(*args, **kwargs).model_copy(update={"otel": otel, "logs": LogsConfig(level="off")})  # type: ignore[arg-type]

    monkeypatch.setattr(compose, "default_config", loud)
    with pytest.raises(ConfigError) as caught:
        make_vault("loud")
    assert caught.value.code == "otel.header_missing"
    monkeypatch.setenv("MEMVAULT_NO_SUCH", "line\nbreak")
    with pytest.raises(ConfigError) as caught:
        make_vault("louder")
    assert caught.value.code == "otel.header_form"


def test_doctor_names_where_traces_go(clinic: Vault) -> None:
    from vault.flows import inspect

    stages = clinic._opened()
    before = [check.level for check in inspect._egress(stages)]
    stages.config = stages.config.model_copy(update={"otel": OtelConfig(endpoint="http://[::1]:4318")})
    assert before == ["ok"]
    (check,) = inspect._egress(stages)
    assert check.level == "warn"
    assert "http://[::1]:4318" in check.text


@pytest.mark.parametrize(
    "url", ["http://collector:4318", "ftp://localhost", "https://user@host", "http://127.0.0.1.evil:1"]
)
def test_receivers_are_spoken_to_over_https_or_on_this_machine(url: str) -> None:
    from pydantic import ValidationError

    with pytest.raises(ValidationError):
        OtelConfig(endpoint=url)
    for fine in ("https://collector:4318", "http://localhost:4318/otlp", "http://[::1]"):
        assert OtelConfig(endpoint=fine).endpoint == fine
