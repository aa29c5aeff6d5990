"""Erasures cut off by SIGKILL, in processes of their own: one acts and dies, one resumes, one watches all the time.

Every process is forked by the nursery and has its own PKCS#11 session, so that the same steps run on key files and on a
token. What is erased is known by the words in it; what survives is compared word for word.
"""

from __future__ import annotations

import json
import os
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any, Final

from support.bruteforce import Attack, Keys, Records
from support.restoring import provider_of
from support.scan import Scanner
from support.steps import Steps, install
from vault import Principal, Session, Vault
from vault.audit import verify
from vault.audit.certificate import statement_of

PERSON, PARTLY, OTHERS = "pat-1", "pat-2", ("pat-3", "pat-4")
AGENT: Final = "gardener"
WORDS: Final = {  # by user: the word of each memory; those of the second in capitals are erased one by one
    PERSON: ("quabblor", "quandrel", "quistorn"),
    PARTLY: ("QUOLPING", "QUERTANE", "quimbrus", "quavolet"),
    "pat-3": ("quessark", "quoddilm"),
    "pat-4": ("quurgent",),
}


def app(vault: Vault, tenant: str = "clinic") -> Session:
    return vault.session(Principal(tenant, "app", ("app",)), purpose="service")


def privacy(vault: Vault) -> Session:
    return vault.session(Principal("clinic", "officer", ("privacy",)), purpose="rights-request")


def operator(vault: Vault, tenant: str = "clinic") -> Any:
    return vault.admin(Principal(tenant, "operator", ("operator",)))


def fill(vault: Vault) -> None:
    """People with memories, histories and tokens; one neighbour tenant."""
    session = app(vault)
    for user, words in WORDS.items():
        for word in words:
            text = f"Ordered more {word} for the garden; write to {word}@example.org"
            (memory,) = session.add(text, user_id=user, idempotency_key=word).memories
            session.update(memory.id, f"{memory.text}, soon", reason="detail")
    session.add("The agent's own rule: never prune in frost", agent_id=AGENT)
    app(vault, "bank").add("Account opened for quexiland", user_id="c-1")


def ask(vault: Vault) -> dict[str, str]:
    """Two requests, previewed: a person, and two memories of another."""
    requests = privacy(vault).requests
    found = app(vault).list(user_id=PARTLY, limit=50).memories
    some = [memory.id for memory in found if any(word in memory.text for word in gone_of(PARTLY))]
    assert len(some) == 2
    person = requests.open(ground="gdpr.17.1.b", user_id=PERSON)
    part = requests.open(ground="gdpr.17.1.a", memory_ids=some)
    person.preview()
    part.preview()
    return {"person": person.id, "part": part.id}


def gone_of(user: str) -> list[str]:
    return [word for word in WORDS[user] if user == PERSON or word.isupper()]


def kept_of(user: str) -> list[str]:
    return [word for word in WORDS[user] if word not in gone_of(user)]


ERASED: Final = {"person": gone_of(PERSON), "part": gone_of(PARTLY)}


def readable(vault: Vault, words: list[str]) -> list[str]:
    """Which of the erased words a caller still gets, by list, search or history."""
    session, seen = app(vault), []
    for user in (PERSON, PARTLY):
        memories = session.list(user_id=user, limit=50).memories
        texts = [memory.text for memory in memories]
        for memory in memories:
            texts += [past.text or "" for past in session.history(memory.id)]
        for word in words:
            texts += [hit.memory.text for hit in session.search(word, user_id=user, limit=10)]
        seen += texts
    return [word for word in words if any(word in text for text in seen)]


def survivors(vault: Vault) -> list[str]:
    """Everything a caller sees of what nobody asked to erase."""
    session, seen = app(vault), []
    for user in (PARTLY, *OTHERS):
        for memory in session.list(user_id=user, order="created_at", limit=50).memories:
            if not any(word in memory.text for word in gone_of(user)):
                versions = [(past.version, past.event, past.text) for past in session.history(memory.id)]
                seen.append(f"{memory.id} {memory.text} {versions}")
    seen += [memory.text for memory in session.list(agent_id=AGENT).memories]
    seen += [memory.text for memory in app(vault, "bank").list(user_id="c-1").memories]
    return seen


# --- what is cut off ---------------------------------------------------------------------------------------------


def _run(name: str) -> Callable[[Vault, dict[str, str]], str]:
    def run(vault: Vault, ids: dict[str, str]) -> str:
        return privacy(vault).requests.get(ids[name]).run(roll=False).state

    return run


def _roll(vault: Vault, _ids: dict[str, str]) -> str:
    rolled = privacy(vault).requests.roll(force=True)
    return "nothing" if rolled is None else ",".join(one.state for one in rolled.destroyed)


def _run_and_roll(vault: Vault, ids: dict[str, str]) -> str:
    return privacy(vault).requests.get(ids["part"]).run(roll=True).state


def _certificate(name: str) -> Callable[[Vault, dict[str, str]], str]:
    def certificate(vault: Vault, ids: dict[str, str]) -> str:
        return certified(vault, ids[name])

    return certificate


ACTIONS: Final[dict[str, Callable[[Vault, dict[str, str]], str]]] = {
    "erasure of a person": _run("person"),
    "erasure of memories": _run("part"),
    "erasure and roll in one": _run_and_roll,
    "roll": _roll,
    "roll after a delete": _roll,
    "certificate before the roll": _certificate("person"),
    "certificate after the roll": _certificate("part"),
}


def certified(vault: Vault, request_id: str) -> str:
    """The certificate's state, after a stranger's check of it."""
    data = privacy(vault).requests.get(request_id).certificate()
    stages = vault._opened()
    tenant = stages.keystore.tenant("clinic")
    assert tenant is not None
    with stages.stores.use(tenant) as store:
        verifiers = [verify.parse_vkey(key) for key in store.log.vkeys()]
    verify.verify_certificate(data, verifiers, request=request_id)
    return str(statement_of(data)["predicate"]["state"])


# --- in the other processes ----------------------------------------------------------------------------------------


def act(stream: IO[str], base: str, action: str, ids: dict[str, str], die_at: int) -> None:
    """Do it, dying before step `die_at`; says how many steps it has and what it answered when it lives."""
    vault = Vault.open(Path(base) / "vault")
    steps = Steps(die_at, every=False)
    provider = vault._opened().provider
    for name in ("new_epoch", "destroy_epoch"):  # a token's files are written by its own library
        setattr(provider, name, _around(getattr(provider, name), steps))
    install(steps)
    answer = ACTIONS[action](vault, ids)
    stream.write(json.dumps({"steps": steps.count, "answer": answer}) + "\n")
    stream.flush()
    os._exit(0)  # closing would count on


def _around(function: Callable[..., Any], steps: Steps) -> Callable[..., Any]:
    def called(*arguments: Any) -> Any:
        steps()
        result = function(*arguments)
        steps()
        return result

    return called


def watch(stream: IO[str], base: str, ids: dict[str, str], **_more: Any) -> None:
    """Open, read everything, wait; then say what is still seen."""
    vault = Vault.open(Path(base) / "vault")
    every = [word for words in ERASED.values() for word in words]
    readable(vault, every)
    for _ in iter(stream.readline, ""):
        states = {name: privacy(vault).requests.get(one).info().state for name, one in ids.items()}
        said = {"states": states, "readable": readable(vault, every), "survivors": survivors(vault)}
        stream.write(json.dumps(said) + "\n")
        stream.flush()
    vault.close()


def resume(stream: IO[str], base: str, action: str, ids: dict[str, str], scratch: str, **_more: Any) -> None:
    """Look at what the dead process left, do everything again to the end, and look again."""
    place = Path(base)
    every = [word for words in ERASED.values() for word in words]
    with Vault.open(place / "vault") as vault:
        said: dict[str, Any] = {"before": survivors(vault), "left": {}}
        for name, request_id in ids.items():
            state = privacy(vault).requests.get(request_id).info().state
            said["left"][name] = {"state": state, "readable": readable(vault, ERASED[name])}
            if state in ("erased", "certified"):
                said["left"][name]["certificate"] = certified(vault, request_id)
        if action != "roll after a delete":
            for request_id in ids.values():
                assert privacy(vault).requests.get(request_id).run(roll=False).state in (
                    "erased",
                    "certified",
                )
        privacy(vault).requests.roll(force=True)
        said["certificates"] = {name: certified(vault, one) for name, one in ids.items()}
        said["due"] = privacy(vault).requests.roll(force=True) is not None
        said["readable"] = readable(vault, every if ids else gone_of(PARTLY))
        said["after"] = survivors(vault)
        for tenant in ("clinic", "bank"):
            assert operator(vault, tenant).index_verify()["stale"] == 0
            assert (
                operator(vault, tenant).audit_verify()["records"]
                == operator(vault, tenant).index_verify()["checked"]
            )
        operator(vault).keys_verify()
        app(vault).delete(app(vault).add("One more", user_id="pat-9").memories[0].id)
    with Vault.open(place / "vault") as vault:
        said["reopened"] = survivors(vault)
    said["opened"] = _still_open(place, Path(scratch))
    stream.write(json.dumps(said) + "\n")
    stream.flush()


def _still_open(place: Path, scratch: Path) -> list[str]:
    """What of the data as it was before the erasures opens with any key that is left: words of the erased."""
    keys = Keys()
    provider = provider_of(place / "vault")
    for folder in (place / "vault" / "keystore", place / "before" / "keystore"):
        keys.take(folder, provider, scratch)
    for folder in sorted(place.glob("*/keystore-backups/keystore-*")) + sorted(
        place.glob("backups/keystore-*")
    ):
        keys.take(folder, provider, scratch)
    attack, found = Attack(), set()
    scanner = Scanner({word: word for words in WORDS.values() for word in words})
    for path in (place / "before" / "tenants").glob("*/records.db"):
        attack.named(Records(path, keys, scratch).sealed(), keys)
    for plain in attack.plaintext:
        found |= {name.partition(" as ")[0] for name in scanner.scan(plain)}
    assert set(WORDS["pat-3"]) <= found, "what survives does not open: the attack is at fault"
    keys.close()
    provider.close()
    return sorted(found)


WORKS: Final[dict[str, Callable[..., None]]] = {"act": act, "watch": watch, "resume": resume}


def serve(stream: IO[str], part: str, **order: Any) -> None:
    """In a forked child: one of the three parts; a failure is sent as its traceback."""
    try:
        WORKS[part](stream, **order)
    except BaseException:  # noqa: BLE001 - whatever it is, the test must see it
        stream.write(json.dumps({"trace": traceback.format_exc()}) + "\n")
        stream.flush()
