"""Telemetry that is on: what arrives is what was previewed, byte for byte; what goes wrong there troubles nobody.

The receiver is a real HTTP server on the loopback that speaks PostHog's batch protocol (tests/support/posthog.py).
"""

from __future__ import annotations

import gc
import hashlib
import hmac
import json
import logging
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.calls import session_of, told
from support.commands import run_command
from support.drive import Drive, drive
from support.posthog import KEY, MODES, operator_of, receiving, set_pack, set_telemetry, switched_on
from support.scan import Scanner

from vault import Vault
from vault.errors import ConfigError, ConflictError, DeniedError, NotFoundError, VaultError
from vault.observe import sender
from vault.observe.catalogue import Unsent
from vault.observe.guard import Said
from vault.observe.sender import CLOSE_S

# Loaded here, so that no test waits for it; each process of tests/egress/test_telemetry_off.py looks whether it is.
pytest.importorskip("posthog.request", reason="the extra memvault[telemetry] is not installed")

ROOT = Path(__file__).parents[2]
PERSON, TENANT = "pat-42-canary", "clinic"
FACT = "Ms Ana Rivera moved her cardiology follow-up; reach her at ana.rivera@example.org"
PROPERTIES = {
    "memvault installation": {
        *(
            "memvault_major",
            "memvault_minor",
            "memvault_patch",
            "python_minor",
            "system",
            "keys",
            "embedding",
        ),
        *("index", "pack", "detector_builtin", "detector_presidio", "tenants"),
    },
    "memvault calls": {"action", "result", "took", "count"},
}
ASKED = {"$process_person_profile": False, "$geoip_disable": True}


def work(vault: Vault) -> None:
    """Some calls of several kinds, one denied and one of an absent id."""
    session = session_of(vault, TENANT)
    (memory,) = session.add(FACT, user_id=PERSON).memories
    session.search("when is the follow-up?", user_id=PERSON)
    session.get(memory.id)
    with pytest.raises(NotFoundError):
        session.get("0" * len(memory.id))
    with pytest.raises(DeniedError):
        session.reveal(memory.id, reason="curious")


def bodies(preview: dict[str, Any]) -> list[bytes]:
    return [one["body"].encode() for one in preview["requests"]]


# --- preview equals reality ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("batch", [100, 2])
def test_what_arrives_is_what_was_previewed(make_vault: Callable[..., Vault], batch: int) -> None:
    with receiving() as receiver:
        with Vault.open(switched_on(make_vault(), receiver.url, batch=batch)) as vault:
            work(vault)
            preview = operator_of(vault).telemetry_preview()
            assert operator_of(vault).telemetry_preview() == preview  # looking changes nothing
            assert receiver.requests == []
        assert preview["on"] is True
        assert [one.body for one in receiver.requests] == bodies(preview)
        for one, said in zip(receiver.requests, preview["requests"], strict=True):
            assert one.line == f"{said['method']} {said['url'].removeprefix(receiver.url)} HTTP/1.1"
            assert set(one.headers) == {"host", "content-type", "accept-encoding", "content-length"}
            assert len(one.document["batch"]) <= batch
        assert len(receiver.requests) == {100: 1, 2: 4}[batch]
        told_of = {
            (e["properties"]["action"], e["properties"]["result"]): e["properties"]["count"]
            for e in receiver.events()
            if e["event"] == "memvault calls"
        }
        assert told_of == {
            ("vault.open", "ok"): 1,
            ("memory.add", "ok"): 1,
            ("memory.search", "ok"): 1,
            ("memory.get", "ok"): 1,
            ("memory.get", "not_found"): 1,
            ("memory.reveal", "denied"): 1,
        }


def test_field_by_field_there_is_nothing_but_the_catalogue(make_vault: Callable[..., Vault]) -> None:
    with receiving() as receiver:
        with Vault.open(switched_on(make_vault(), receiver.url)) as vault:
            work(vault)
            install = operator_of(vault).telemetry_status()["installation"]
        (request,) = receiver.requests
    assert set(request.document) == {"batch", "api_key"}
    assert request.document["api_key"] == KEY
    for event in request.document["batch"]:
        assert set(event) == {"event", "distinct_id", "uuid", "timestamp", "properties"}
        assert event["distinct_id"] == install
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:00:00Z", event["timestamp"])
        properties = event["properties"]
        assert set(properties) == PROPERTIES[event["event"]] | set(ASKED)
        assert {name: properties[name] for name in ASKED} == ASKED
    assert len({event["uuid"] for event in request.document["batch"]}) == len(request.document["batch"])
    words = json.dumps(request.document)
    for never in ("$ip", "$lib", "$os", "$geoip_city", "$set", "$session", "$feature", "$groups", "person_"):
        assert never not in words.replace("$process_person_profile", "")


def test_the_command_previews_what_the_command_sends(make_vault: Callable[..., Vault]) -> None:
    """In a process of its own, as an operator runs it."""
    with receiving() as receiver:
        folder = switched_on(make_vault(), receiver.url)
        command = [sys.executable, "-c", "from vault.cli.main import main; main()"]
        for _ in range(5):  # on a busy machine a command may end before it has loaded the client
            done = subprocess.run(
                [*command, "--vault", str(folder), "telemetry", "preview"],
                env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, check=True, timeout=60,
            )  # fmt: skip
            if receiver.requests:
                break
        (request,) = receiver.requests
        assert done.stdout == request.body + b"\n"
        assert done.stderr == b""


def test_intervals_are_sent_while_the_vault_is_open(make_vault: Callable[..., Vault]) -> None:
    with receiving() as receiver:
        with Vault.open(switched_on(make_vault(), receiver.url, interval_s=1)) as vault:
            work(vault)
            until = time.monotonic() + 20
            while time.monotonic() < until and len(receiver.requests) < 2:
                time.sleep(0.02)
            assert len(receiver.requests) >= 2
        counts = [e["properties"]["count"] for e in receiver.events() if e["event"] == "memvault calls"]
        assert sum(counts) == 6  # each call once, whichever interval it fell into
        uuids = [event["uuid"] for event in receiver.events()]
        assert len(set(uuids)) == len(uuids)


def test_no_canary_is_in_anything_sent(make_vault: Callable[..., Vault]) -> None:
    with receiving() as receiver:
        with Vault.open(switched_on(make_vault(), receiver.url)) as vault:
            work(vault)
            canaries = [
                PERSON,
                TENANT,
                "intake-bot",
                "root",
                str(vault.folder),
                "Rivera",
                "ana.rivera@example.org",
            ]
            canaries += [
                "cardiology",
                "follow-up",
                "curious",
                session_of(vault).list(user_id=PERSON).memories[0].id,
            ]
            canaries += [os.uname().nodename]
        sent = receiver.received.decode().lower()
    assert len(receiver.requests) == 1
    for canary in canaries:
        data = canary.encode()
        digests = [getattr(hashlib, name)(data).hexdigest() for name in ("md5", "sha1", "sha256")]
        digests += [hmac.new(b"", data, name).hexdigest() for name in ("md5", "sha1", "sha256")]
        assert [form for form in (canary.lower(), *digests) if form[:32] in sent] == []


def test_no_canary_of_the_whole_library_is_in_anything_sent(tmp_path: Path) -> None:
    """Every public method with canaries, as tests/leak does it, while telemetry goes out every second."""
    with receiving() as receiver:
        d = Drive(tmp_path)
        d.vault = Vault.open(switched_on(d.vault, receiver.url, interval_s=1))
        try:
            drive(d)
        finally:
            d.close()
        assert len(receiver.requests) >= 2
        actions = {event["properties"].get("action") for event in receiver.events()}
        assert {"memory.add", "keys.rotate", "subject.erase", "hold.place", "backup.create"} <= actions
        assert Scanner(d.canaries.values).scan(receiver.received) == set()


# --- the agreement ------------------------------------------------------------------------------------------------


def test_disabling_stops_a_vault_that_is_open_before_it_sends_again(make_vault: Callable[..., Vault]) -> None:
    with receiving() as receiver:
        folder = switched_on(make_vault(), receiver.url)
        with Vault.open(folder) as vault:
            work(vault)
            assert run_command("--vault", folder, "telemetry", "disable").code == 0
        assert receiver.connections == 0


def test_rotating_changes_the_id_and_nothing_else(make_vault: Callable[..., Vault]) -> None:
    with receiving() as receiver:
        folder = switched_on(make_vault(), receiver.url)
        for _ in range(2):
            with Vault.open(folder) as vault:
                operator_of(vault).telemetry_rotate()
    first, second = (request.document["batch"] for request in receiver.requests)
    for event in (*first, *second):
        event["properties"].pop("took", None)  # a matter of the machine
    ids = {event["distinct_id"] for event in first} | {event["distinct_id"] for event in second}
    assert len(ids) == 2
    assert [event["properties"] for event in first] == [event["properties"] for event in second]


def test_there_is_no_id_to_rotate_where_nobody_agreed(clinic: Vault) -> None:
    with pytest.raises(ConflictError) as caught:
        operator_of(clinic).telemetry_rotate()
    assert caught.value.code == "telemetry.off"


def test_a_pack_that_forbids_it_refuses_and_logs_it(make_vault: Callable[..., Vault]) -> None:
    vault = make_vault()
    vault.close()
    set_pack(vault.folder, {"allowed": False})
    with Vault.open(vault.folder) as opened:
        with pytest.raises(DeniedError) as caught:
            operator_of(opened).telemetry_enable()
        assert caught.value.code == "policy.telemetry"
        assert operator_of(opened).telemetry_status()["consent"] == "none"
        assert ("telemetry.enable", "refused") in logged(opened)


def logged(vault: Vault) -> list[tuple[str, str]]:
    """(action, result) of the vault's own log."""
    from vault.flows.context import SYSTEM_TENANT

    stages = vault._opened()
    with stages.stores.use(stages.tenant(SYSTEM_TENANT)) as store:
        found = [json.loads(entry.entry) for entry in store.records.log()]
    return [(one["act"], one["res"]) for one in found]


def test_where_the_pack_asks_for_another_two_people_have_to_agree(make_vault: Callable[..., Vault]) -> None:
    vault = make_vault()
    vault.close()
    set_pack(vault.folder, {"approvals": 1})
    with receiving() as receiver:
        set_telemetry(vault.folder, receiver.url)
        with Vault.open(vault.folder) as opened:
            for _ in range(2):  # the same person twice is one person
                said = operator_of(opened, "ana").telemetry_enable()
                assert (said["on"], said["consent"], said["agreed"]) == (False, "waiting", ["ana"])
        assert receiver.connections == 0
        with Vault.open(vault.folder) as opened:
            said = operator_of(opened, "ben").telemetry_enable()
            assert (said["on"], said["consent"], said["agreed"]) == (True, "given", ["ana", "ben"])
            assert [act for act, _ in logged(opened) if act.startswith("telemetry.")] == [
                "telemetry.enable"
            ] * 3
        with Vault.open(vault.folder):
            pass
        assert len(receiver.requests) == 1


def test_an_agreement_that_waited_too_long_begins_anew(make_vault: Callable[..., Vault]) -> None:
    from datetime import UTC, datetime, timedelta

    vault = make_vault()
    vault.close()
    set_pack(vault.folder, {"approvals": 1})
    with Vault.open(vault.folder) as opened:
        operator_of(opened, "ana").telemetry_enable()
        hours = opened._opened().policy.rights.erasure.approval_hours
        opened._opened().now = lambda: datetime.now(UTC) + timedelta(hours=hours, minutes=1)
        assert operator_of(opened, "ben").telemetry_enable()["agreed"] == ["ben"]


def test_a_moved_vault_has_no_agreement(make_vault: Callable[..., Vault], tmp_path: Path) -> None:
    with receiving() as receiver:
        folder = switched_on(make_vault(), receiver.url)
        moved = tmp_path / "elsewhere"
        subprocess.run(["cp", "-a", str(folder), str(moved)], check=True)
        with Vault.open(moved) as vault:
            said = operator_of(vault).telemetry_status()
            assert (said["off"], said["consent"], said["installation"]) == (["consent"], "elsewhere", None)
            work(vault)
        assert receiver.connections == 0
        with Vault.open(folder) as vault:
            before = operator_of(vault).telemetry_status()
            assert before["on"]
        with Vault.open(moved) as vault:
            again = operator_of(vault).telemetry_enable()
            assert again["on"]
            assert again["installation"] != before["installation"]


def test_a_keystore_that_was_put_back_has_no_agreement(
    make_vault: Callable[..., Vault], tmp_path: Path
) -> None:
    from vault import Principal

    with receiving() as receiver:
        vault = make_vault(keystore_backup=tmp_path / "copies")
        operator_of(vault).telemetry_enable()
        operator_of(vault).keys_backup()
        operator_of(vault).telemetry_disable()
        vault.close()
        set_telemetry(vault.folder, receiver.url)
        (copy,) = (tmp_path / "copies").iterdir()
        Vault.restore(
            vault.folder, copy, Principal(TENANT, "root", ("operator",)), kind="keystore", execute=True
        )
        with Vault.open(vault.folder) as opened:
            assert operator_of(opened).telemetry_status()["consent"] == "none"
        assert receiver.connections == 0


def test_the_agreement_goes_along_with_a_new_root_key(make_vault: Callable[..., Vault]) -> None:
    vault = make_vault()
    before = operator_of(vault).telemetry_enable()["installation"]
    operator_of(vault).keys_rotate("root")
    assert operator_of(vault).telemetry_status()["installation"] == before


def test_nothing_of_it_is_readable_on_disk(make_vault: Callable[..., Vault]) -> None:
    vault = make_vault()
    install = operator_of(vault).telemetry_enable()["installation"]
    vault.close()
    forms = [install.encode(), install.replace("-", "").encode(), bytes.fromhex(install.replace("-", ""))]
    for path in vault.folder.rglob("*"):
        if path.is_file():
            assert not [form for form in forms if form in path.read_bytes()], path


def test_only_the_operator_may(clinic: Vault) -> None:
    from vault import Principal

    admin = clinic.admin(Principal(TENANT, "bot", ("app",)), purpose="service")
    for name in ("status", "preview", "enable", "disable", "rotate"):
        with pytest.raises(DeniedError):
            getattr(admin, f"telemetry_{name}")()


# --- what goes wrong ----------------------------------------------------------------------------------------------


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> Callable[[], list[str]]:
    """What telemetry's logger said, as in a process that has not said it yet."""
    monkeypatch.setattr(sender, "warned", sender.Once())
    caplog.set_level(logging.DEBUG)
    return lambda: [
        str(one.what.receiver.value)
        for one in caplog.records
        if isinstance(one, Said) and isinstance(one.what, Unsent)
    ]


@pytest.mark.parametrize("mode", [*MODES, "nobody"])
def test_a_receiver_that_fails_troubles_no_call_and_is_told_of_once(
    make_vault: Callable[..., Vault], said: Callable[[], list[str]], mode: str
) -> None:
    with receiving(mode) as receiver:
        url = "http://127.0.0.1:9" if mode == "nobody" else receiver.url
        folder = switched_on(make_vault(), url, interval_s=1, timeout_s=0.3)
        for _ in range(2):
            with Vault.open(folder) as vault:
                for _ in range(3):
                    work(vault)
                    time.sleep(0.5)
                assert operator_of(vault).audit_verify()["records"]
        assert said() == ["posthog"]
        if mode != "nobody":
            assert receiver.connections >= 2


def test_closing_does_not_wait_for_a_receiver_that_hangs(
    make_vault: Callable[..., Vault], said: Callable[[], list[str]]
) -> None:
    with receiving("hangs") as receiver:
        vault = Vault.open(switched_on(make_vault(), receiver.url, timeout_s=60))
        work(vault)
        began = time.monotonic()
        vault.close()
        assert time.monotonic() - began < 30  # CLOSE_S, and signing and closing on a busy machine
        assert CLOSE_S == 2.0


def test_what_is_kept_of_a_receiver_that_hangs_does_not_grow(
    make_vault: Callable[..., Vault], said: Callable[[], list[str]]
) -> None:
    """However many calls: one number for each kind, no queue, one thread."""
    with (
        receiving("hangs") as receiver,
        Vault.open(switched_on(make_vault(), receiver.url, interval_s=1, timeout_s=60)) as vault,
    ):
        observer, usage = vault._opened().observer, vault._opened().usage
        until = time.monotonic() + 10
        while not receiver.connections and time.monotonic() < until:
            time.sleep(0.05)
        threads = threading.active_count()
        for _ in range(2_000):
            with observer.call("memory.add", "clinic"):
                pass
        gc.collect()
        before = len(gc.get_objects())
        for _ in range(20_000):
            with observer.call("memory.add", "clinic"):
                pass
        gc.collect()
        assert len(gc.get_objects()) - before < 200
        assert threading.active_count() <= threads
        assert len(usage._counters.seen()) <= 6  # type: ignore[attr-defined]
        receiver.released.set()


def test_an_answer_that_repeats_what_was_sent_is_in_no_log(
    make_vault: Callable[..., Vault], said: Callable[[], list[str]], caplog: pytest.LogCaptureFixture
) -> None:
    """At DEBUG, with a receiver that answers 500 and the whole body: what is logged has no id of a person or text."""
    with receiving("fails") as receiver, Vault.open(switched_on(make_vault(), receiver.url)) as vault:
        work(vault)
    lines = "\n".join(record.getMessage() for record in caplog.records)
    assert receiver.requests
    assert not [word for word in (PERSON, "Rivera", "cardiology", TENANT) if word in lines]


FAULTS = {
    "a key that is not set": ({"key": "env:MEMVAULT_TEST_UNSET"}, "telemetry.key_missing"),
    "a key that is none": ({"key": "env:MEMVAULT_TEST_SECRET"}, "telemetry.key_form"),
    "an open key file": ({"key": "file:key"}, "telemetry.key_permissions"),
    "authorities that are not there": ({"ca": "missing.pem"}, None),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_what_cannot_be_used_sends_nothing_and_stops_no_call(
    make_vault: Callable[..., Vault],
    said: Callable[[], list[str]],
    fault: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("MEMVAULT_TEST_SECRET", "hunter2 is no project key")
    changes, code = FAULTS[fault]
    with receiving() as receiver:
        folder = switched_on(make_vault(), receiver.url, **changes)
        (folder / "key").write_text(KEY)
        (folder / "key").chmod(0o644)
        with Vault.open(folder) as vault:
            work(vault)
            if code is not None:
                with pytest.raises(ConfigError) as caught:
                    operator_of(vault).telemetry_preview()
                assert caught.value.code == code
                assert "hunter2" not in told(caught.value)
        assert receiver.connections == 0
        assert len(said()) == 1


@pytest.mark.parametrize("kind", ["env", "file"])
def test_a_key_by_reference_is_used(
    make_vault: Callable[..., Vault], kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MEMVAULT_TEST_KEY", KEY)
    with receiving() as receiver:
        folder = switched_on(
            make_vault(), receiver.url, key={"env": "env:MEMVAULT_TEST_KEY", "file": "file:key"}[kind]
        )
        (folder / "key").write_text(KEY + "\n")
        (folder / "key").chmod(0o600)
        Vault.open(folder).close()
        assert [request.document["api_key"] for request in receiver.requests] == [KEY]


@pytest.mark.parametrize(
    "values",
    [
        {"endpoint": None},
        {"endpoint": "http://example.org"},
        {"endpoint": "http://127.0.0.1.example.org"},
        {"endpoint": "ftp://example.org"},
        {"endpoint": "https://user:word@example.org"},
        {"endpoint": "https://example.org/?a=b"},
        {"key": None},
        {"key": "phx_personal"},
        {"key": "phc_"},
        {"key": "phc_a b"},
        {"interval_s": 0},
        {"batch": 0},
        {"send_names": True},
    ],
)
def test_a_configuration_that_cannot_be_meant_is_refused(
    make_vault: Callable[..., Vault], values: dict[str, Any]
) -> None:
    vault = make_vault()
    vault.close()
    whole = {"enabled": True, "endpoint": "https://eu.i.posthog.com", "key": KEY, **values}
    set_telemetry(vault.folder, None, **{name: value for name, value in whole.items() if value is not None})
    with pytest.raises(ConfigError) as caught:
        Vault.open(vault.folder)
    assert caught.value.code == "config.invalid"
    assert "telemetry" in caught.value.message


def test_a_client_that_would_add_a_field_sends_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another release of the client may add to a body: then the carrier refuses, and what was previewed stays true."""
    import posthog.request

    from vault.door import Door
    from vault.observe.posthog import PosthogCarrier

    real = posthog.request.post
    body = json.dumps({"batch": [{"event": "memvault installation"}], "api_key": KEY}).encode()
    with receiving() as receiver:
        door = Door(receiver.url, ca=None, proxy=None, loopback=True, timeout_s=5)
        carrier = PosthogCarrier(door, receiver.url, KEY)
        monkeypatch.setattr(posthog.request, "post", lambda *a, **k: real(*a, **k, person_name="x"))
        with pytest.raises(VaultError) as caught:
            carrier.send(body)
        assert caught.value.code == "telemetry.body"
        carrier.close()
        assert receiver.connections == 0
