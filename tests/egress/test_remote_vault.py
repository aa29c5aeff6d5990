"""A vault whose embedder is a service: what it is told, and that what goes wrong there stores nothing here.

The services are real HTTP servers on the loopback that keep every byte they are sent.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from typing import Any

import pytest
from support.calls import held, operator, session_of, told
from support.models import NARROW, Service, configured, service_lines, serving

from vault import Session, Vault
from vault.errors import ConfigError, EgressError, EmbedderError, VaultError
from vault.redaction.detect import BuiltinDetector

NAME, MAIL = "Ana Rivera", "ana.rivera@example.org"
FACT = f"Ms {NAME} moved her cardiology follow-up to Monday; reach her at {MAIL}"
NEWER = f"Mr Paul Rivera asks for {NAME}, by way of {MAIL}, about the tulips"
ASKED = f"when is the follow-up of {NAME} ({MAIL})?"
CANARIES = [word.encode() for word in (*NAME.split(), MAIL, MAIL.partition("@")[0])]


def test_opening_a_vault_with_a_service_asks_it_nothing(make_vault: Callable[..., Vault]) -> None:
    with serving(Service()) as service, Vault.open(configured(make_vault(), service_lines(service.url))):
        assert service.received == b""


KEY_FAULTS = {
    "unset": ('"env:MEMVAULT_TEST_KEY"', "embedder.key_missing"),
    "empty": ('"env:MEMVAULT_TEST_EMPTY"', "embedder.key_missing"),
    "two lines": ('"env:MEMVAULT_TEST_LINES"', "embedder.key_form"),
    "not ascii": ('"env:MEMVAULT_TEST_WIDE"', "embedder.key_form"),
    "no file": ('"file:not-there"', "embedder.key_missing"),
    "open to others": ('"file:key"', "embedder.key_permissions"),
}


@pytest.mark.parametrize("case", KEY_FAULTS)
def test_a_key_that_cannot_be_had_stores_nothing(
    make_vault: Callable[..., Vault], case: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MEMVAULT_TEST_EMPTY", "")
    monkeypatch.setenv("MEMVAULT_TEST_LINES", "a\nX-Other: b")
    monkeypatch.setenv("MEMVAULT_TEST_WIDE", "schlüssel")
    reference, code = KEY_FAULTS[case]
    with serving(Service()) as service:
        folder = configured(make_vault(), service_lines(service.url, key=reference))
        (folder / "key").write_text("sk-1")
        (folder / "key").chmod(0o644)
        with Vault.open(folder) as vault:
            session = session_of(vault)
            with pytest.raises(ConfigError) as caught:
                session.add("Prefers mornings", user_id="pat-1")
            assert caught.value.code == code
            assert session.list(user_id="pat-1").memories == ()
        assert service.received == b""


def test_a_key_in_a_private_file_is_read_each_time(make_vault: Callable[..., Vault]) -> None:
    with serving(Service()) as service:
        folder = configured(make_vault(), service_lines(service.url, key='"file:key"'))
        with Vault.open(folder) as vault:
            for key in ("sk-1", "sk-2"):
                (folder / "key").write_text(key + "\n")
                (folder / "key").chmod(0o600)
                session_of(vault).add("Prefers mornings", user_id="pat-1")
        assert [asked.headers["authorization"] for asked in service.asked] == ["Bearer sk-1", "Bearer sk-2"]


# --- what is told -------------------------------------------------------------------------------------------------


def assert_only_redacted(service: Service, *words: str) -> None:
    received = bytes(service.received).lower()
    assert all(word.encode() in received for word in words)
    assert [canary for canary in CANARIES if canary.lower() in received] == []


@pytest.mark.parametrize("kind", ["openai", "azure", "ollama"])
def test_texts_and_questions_are_redacted_before_they_leave(
    make_vault: Callable[..., Vault], kind: str
) -> None:
    with serving(Service()) as service:
        lines = service_lines(service.url).replace('"openai"', f'"{kind}"')
        with Vault.open(configured(make_vault(), lines)) as vault:
            session = session_of(vault)
            (memory,) = session.add(FACT, user_id="pat-1", metadata={"contact": MAIL}).memories
            session.add([{"role": "user", "name": NAME, "content": FACT}], user_id="pat-1")
            session.add_many([{"content": NEWER, "user_id": "pat-1"}])
            hits = session.search(ASKED, user_id="pat-1", limit=10)
            assert hits[0].memory.text.startswith("Ms [PERSON:")
            session.update(memory.id, NEWER)
            operator(vault).rescan()
            operator(vault).index_rebuild()
            verified = operator(vault).index_verify()
            assert (verified["checked"], verified["stale"]) == (3, 0)
        assert_only_redacted(service, "cardiology follow-up", "when is the follow-up of", "tulips")


def test_what_an_older_detector_let_through_is_redacted_before_it_leaves(
    make_vault: Callable[..., Vault],
) -> None:
    vault = make_vault()
    vault._opened().detector = BuiltinDetector(names=None)  # the older one: it knows no names
    (memory,) = session_of(vault).add(FACT, user_id="pat-1").memories
    assert NAME in memory.text
    with serving(Service()) as service, Vault.open(configured(vault, service_lines(service.url))) as changed:
        assert operator(changed).reembed().embedded == 1
        operator(changed).index_rebuild()
        assert_only_redacted(service, "cardiology follow-up")
        assert NAME in session_of(changed).get(memory.id).text  # what is stored, a rescan changes


def test_a_dry_run_sends_nothing(make_vault: Callable[..., Vault]) -> None:
    vault = make_vault()
    session_of(vault).add(FACT, user_id="pat-1")
    with serving(Service()) as service, Vault.open(configured(vault, service_lines(service.url))) as changed:
        planned = operator(changed).reembed(dry_run=True)
        assert (planned.address, planned.memories, planned.embedded) == ("127.0.0.1", 1, 1)
        assert service.received == b""


def test_doctor_names_the_host(make_vault: Callable[..., Vault]) -> None:
    with (
        serving(Service()) as service,
        Vault.open(configured(make_vault(), service_lines(service.url))) as vault,
    ):
        session_of(vault)
        (found,) = [check for check in operator(vault).doctor() if check.area == "egress"]
        assert found.level == "warn"
        assert "127.0.0.1" in found.text
        assert service.received == b""


# --- what goes wrong ----------------------------------------------------------------------------------------------

Answer = Callable[[Service, Service, Any, list[str]], None]


def _vectors(change: Callable[[list[Any]], list[Any]]) -> Answer:
    def answer(service: Service, _: Service, handler: Any, texts: list[str]) -> None:
        data = [{"index": n, "embedding": one} for n, one in enumerate(change(service.vectors(texts)))]
        handler.reply(json.dumps({"data": data}).encode())

    return answer


def _hang(service: Service, other: Service, handler: Any, texts: list[str]) -> None:
    threading.Event().wait(3)


def _elsewhere(service: Service, other: Service, handler: Any, texts: list[str]) -> None:
    handler.reply(b"", 307, location=f"{other.url}/embeddings")


def _broken_off(service: Service, other: Service, handler: Any, texts: list[str]) -> None:
    handler.wfile.write(b"HTTP/1.1 200 OK\r\ncontent-length: 900\r\n\r\n{")
    handler.close_connection = True


FAULTS: dict[str, tuple[Answer, type[VaultError], str]] = {
    "hangs": (_hang, EgressError, "egress.timeout"),
    "fails": (
        lambda service, other, handler, texts: handler.reply(json.dumps(texts).encode(), 500),
        EgressError,
        "egress.status",
    ),
    "too many requests": (
        lambda s, o, handler, texts: handler.reply(b"{}", 429),
        EgressError,
        "egress.status",
    ),
    "another length": (_vectors(lambda rows: [row[:-1] for row in rows]), EmbedderError, "embedder.answer"),
    "not numbers": (
        _vectors(lambda rows: [[float("nan")] * NARROW for _ in rows]),
        EgressError,
        "egress.reply",
    ),
    "too few": (_vectors(lambda rows: rows[1:]), EmbedderError, "embedder.answer"),
    "too much": (lambda s, o, handler, texts: handler.reply(b" " * 1_000_000), EgressError, "egress.size"),
    "not json": (lambda s, o, handler, texts: handler.reply(b"<html>"), EgressError, "egress.reply"),
    "points elsewhere": (_elsewhere, EgressError, "egress.redirect"),
    "breaks off": (_broken_off, EgressError, "egress.broken"),
}
ATTEMPTS: dict[str, Callable[[Session, str], object]] = {
    "add": lambda session, _: session.add(NEWER, user_id="pat-1"),
    "add many": lambda session, _: session.add_many([{"content": NEWER, "user_id": "pat-1"}] * 3),
    "update": lambda session, memory_id: session.update(memory_id, NEWER),
    "search": lambda session, _: session.search(ASKED, user_id="pat-1"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_write_is_refused_whole(make_vault: Callable[..., Vault], fault: str) -> None:
    answer, kind, code = FAULTS[fault]
    with serving(Service()) as service, serving(Service()) as other:
        lines = service_lines(service.url, timeout_s="0.5" if fault == "hangs" else "10.0")
        with Vault.open(configured(make_vault(), lines)) as vault:
            session = session_of(vault)
            (memory,) = session.add(FACT, user_id="pat-1").memories
            before = held(vault)
            service.answer = lambda handler, texts: answer(service, other, handler, texts)
            for attempt in ATTEMPTS.values():
                with pytest.raises(VaultError) as caught:
                    attempt(session, memory.id)
                assert (type(caught.value), caught.value.code) == (kind, code)
                shown = told(caught.value)
                assert not [
                    word for word in (NAME, MAIL, "follow-up", "tulips", memory.text) if word in shown
                ]
                assert held(vault) == before
            service.answer = None
            assert [hit.memory for hit in session.search(ASKED, user_id="pat-1")] == [session.get(memory.id)]
            assert operator(vault).audit_verify()["records"] == 1
        assert other.received == b""


def test_nobody_there(make_vault: Callable[..., Vault]) -> None:
    with serving(Service()) as service:
        lines = service_lines(service.url)
    with Vault.open(configured(make_vault(), lines)) as vault:
        session = session_of(vault)
        with pytest.raises(EgressError) as caught:
            session.add(FACT, user_id="pat-1")
        assert caught.value.code == "egress.unreachable"
        assert session.list(user_id="pat-1").memories == ()


def test_a_reembed_that_the_service_ends_goes_on_later(make_vault: Callable[..., Vault]) -> None:
    vault = make_vault()
    for user in ("pat-1", "pat-2", "pat-3"):
        session_of(vault).add(FACT, user_id=user)
    with serving(Service()) as service, Vault.open(configured(vault, service_lines(service.url))) as changed:
        service.answer = lambda handler, texts: handler.reply(
            json.dumps(service.document(handler.path, texts)).encode(), 200 if len(service.asked) < 3 else 500
        )
        with pytest.raises(EgressError):
            operator(changed).reembed()
        service.answer = None
        assert operator(changed).reembed(dry_run=True).embedded == 1
        assert operator(changed).reembed().embedded == 1
        assert len(session_of(changed).search(ASKED, user_id="pat-3")) == 1
