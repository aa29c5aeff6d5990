"""Makes the small vault that every later version must open: `python tools/make_format_vault.py FOLDER`.

Writes FOLDER/vault, FOLDER/keys (a key made for this and nothing else) and FOLDER/expected.json, what it answers. A
folder that is there already is left alone: a format, once released, does not change.
"""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from vault import Memory, Principal, Session, Vault
from vault.errors import NotFoundError

BEGINNING = datetime(2026, 1, 5, 9, 0, tzinfo=UTC)
SCOPES: tuple[dict[str, str], ...] = (
    {"user_id": "pat-42"},
    {"user_id": "pat-7"},
    {"user_id": "pat-7", "agent_id": "triage"},
    {"user_id": "pat-7", "agent_id": "triage", "run_id": "visit-3"},
    {"agent_id": "triage"},
)
QUERIES: tuple[tuple[str, dict[str, str]], ...] = (
    ("when is the cardiology follow-up?", {"user_id": "pat-42"}),
    ("ana.rivera@example.org", {"user_id": "pat-42"}),
    ("which drugs must be avoided?", {"user_id": "pat-7"}),
    ("how to greet", {"agent_id": "triage"}),
)


class Clock:
    """A clock that moves a minute with each reading, so that times are worth comparing."""

    def __init__(self) -> None:
        self.moment = BEGINNING

    def __call__(self) -> datetime:
        self.moment += timedelta(minutes=1)
        return self.moment


def plain(memory: Memory) -> dict[str, Any]:
    """A memory as JSON."""
    return {k: v.isoformat() if isinstance(v, datetime) else v for k, v in asdict(memory).items()}


def session_of(vault: Vault, tenant: str = "clinic", role: str = "app", purpose: str = "service") -> Session:
    return vault.session(Principal(tenant, "intake-bot", (role,)), purpose=purpose)


def fill(vault: Vault) -> dict[str, list[str]]:
    """Write something of every kind; returns the ids of what is not to be found any more."""
    clock = Clock()
    vault._opened().now = clock  # noqa: SLF001 - the only way to write yesterday
    session = session_of(vault)
    first = session.add(
        "Ms Rivera moved her cardiology follow-up to 4 May; reach her at ana.rivera@example.org",
        user_id="pat-42",
        metadata={"source": "chat", "urgent": False, "tags": ["cardiology", "visit"], "by": {"desk": 3}},
    ).memories[0]
    session.update(first.id, f"{first.text} or +1 212-555-0187", reason="second number")
    session.update(first.id, metadata={"source": "call"}, reason="corrected source")
    session.add("She said: write to ana.rivera@example.org, not by post.", user_id="pat-42")
    session.add(
        [
            {"role": "user", "name": "Jo", "content": "I must not take penicillin."},
            {"role": "assistant", "content": "Noted: penicillin must be avoided."},
        ],
        user_id="pat-7",
        agent_id="triage",
        run_id="visit-3",
    )
    session.add("Prefers to be called in the evening.", user_id="pat-7", idempotency_key="call-preference")
    session.add("Greet people by their last name.", agent_id="triage")
    (expired,) = session.add(
        "A code for the door that was valid for a week.",
        user_id="pat-7",
        expires_at=BEGINNING + timedelta(days=7),
    ).memories
    (deleted,) = session.add("Said in confidence, then taken back.", user_id="pat-7").memories
    session.update(deleted.id, "Said in confidence, written again, then taken back.")
    session.delete(deleted.id, reason="taken back")
    vault.admin(Principal("clinic", "operator", ("operator",))).create_tenant("bank")
    return {"expired": [expired.id], "deleted": [deleted.id]}


def rotate(vault: Vault) -> None:
    """Older and newer keys side by side, as in a vault that has lived."""
    operator = vault.admin(Principal("clinic", "operator", ("operator",)))
    for level in ("subject", "tenant", "index", "log", "audit", "ids", "detail", "records", "root"):
        operator.keys_rotate(level)
    session_of(vault).add("Written after every key was replaced.", user_id="pat-42")


def history(session: Session, memory_id: str) -> list[dict[str, Any]]:
    return [{**asdict(step), "at": step.at.isoformat()} for step in session.history(memory_id)]


def answers(vault: Vault, gone: dict[str, list[str]]) -> dict[str, Any]:
    """Everything the vault answers that later versions must answer too."""
    session = session_of(vault)
    lists = [[plain(m) for m in session.list(order="created_at", **scope).memories] for scope in SCOPES]
    known = {memory["id"] for memories in lists for memory in memories}
    privacy = session_of(vault, role="privacy", purpose="rights-request")
    revealed = privacy.list(user_id="pat-42", order="created_at", reveal="request of the person").memories
    operator = vault.admin(Principal("clinic", "operator", ("operator",)))
    auditor = vault.admin(Principal("clinic", "auditor", ("auditor",)), purpose="audit")
    for memory_id in (*gone["expired"], *gone["deleted"]):
        try:
            session.get(memory_id)
        except NotFoundError:
            continue
        raise SystemExit("an expired or deleted memory is still there")
    return {
        "scopes": [{"scope": scope, "memories": found} for scope, found in zip(SCOPES, lists, strict=True)],
        "histories": {i: history(session, i) for i in sorted(known | set(gone["deleted"]))},
        "revealed": [plain(memory) for memory in revealed],
        "searches": [
            {"query": query, "scope": scope, "first": session.search(query, limit=1, **scope)[0].memory.id}
            for query, scope in QUERIES
        ],
        "gone": gone,
        "tenants": [info.name for info in operator.tenants()],
        "log": [
            [e.action, e.actor, e.result, e.count, list(e.memory_ids)] for e in auditor.audit_show(limit=100)
        ],
        "records": operator.audit_verify()["records"],
    }


def main() -> None:
    target = Path(sys.argv[1])
    if target.exists():
        raise SystemExit(f"{target} is there already; a released format does not change")
    target.mkdir(parents=True)
    Vault.init(target / "vault", key_folder=target / "keys", keystore_backup="none").close()
    path = target / "vault" / "memvault.toml"
    path.write_text(path.read_text().replace(f"file:{(target / 'keys').absolute()}", "file:../keys"))
    with Vault.open(target / "vault") as vault:
        gone = fill(vault)
    with Vault.open(target / "vault") as vault:
        rotate(vault)
        expected = answers(vault, gone)
    for lock in target.rglob("*.lock"):
        lock.unlink()
    text = json.dumps(expected, ensure_ascii=False, indent=1) + "\n"
    (target / "expected.json").write_text(text, encoding="utf-8")
    size = sum(file.stat().st_size for file in target.rglob("*") if file.is_file())
    print(f"{target}: {size:,} bytes")


if __name__ == "__main__":
    main()
