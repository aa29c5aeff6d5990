"""`memvault demo`: an invented clinic and an invented bank go through the whole vault, for real, on this machine.

Each step does what its name says through the public interface, keeps what it saw as facts, and, where a person
watches, shows them (`demo_view`). With `--json` the facts are the answer; the test suite reads them.
"""

from __future__ import annotations

import json
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import resources
from pathlib import Path
from typing import Any, Final

from vault.admin import Admin
from vault.cli import demo_view
from vault.cli.output import Output
from vault.cli.readable import Haystack, needles
from vault.errors import ConfigError, VaultError
from vault.session import Session, Vault
from vault.types import Memory, Principal

Facts = dict[str, Any]

MEANING: Final = "by meaning"
KEYWORD: Final = "by keyword"
VALUE: Final = "by value"
# (tenant, person, how, question): no question by meaning shares a word with the memory that it should find
QUESTIONS: Final = (
    (0, 0, MEANING, "which medicines is she allergic to?"),
    (0, 1, MEANING, "which joint is sore?"),
    (1, 0, KEYWORD, "umbrellas"),
    (0, 1, VALUE, "t.wieczorek@example.com"),
    (1, 1, VALUE, "4111111111111111"),
)
UPDATED: Final = "The cardiology follow-up is on 6 May now; the wedding cake on the 2nd stands."
REASON: Final = "call back about the appointment"


def run(out: Output, keep: Path | None) -> None:
    """The whole demo; in a temporary folder that is removed, or in `keep`, which must not hold anything yet."""
    started = time.monotonic()
    with _folder(keep) as folder:
        demo = Demo(folder, out)
        try:
            for step in STEPS:
                step(demo)
        finally:
            demo.vault.close()
        demo.facts["seconds"] = round(time.monotonic() - started, 2)
        demo.facts["kept"] = str(folder) if keep is not None else None
        out.show(demo.facts, lambda _: demo_view.closing(demo.screen, demo.facts))


@contextmanager
def _folder(keep: Path | None) -> Iterator[Path]:
    if keep is None:
        with tempfile.TemporaryDirectory(prefix="memvault-demo-") as name:
            yield Path(name)
        return
    if keep.exists() and (not keep.is_dir() or any(keep.iterdir())):
        raise ConfigError("demo.folder", "the folder given with --keep exists and is not empty")
    keep.mkdir(parents=True, exist_ok=True)
    yield keep.absolute()


class Demo:
    """What the steps share: the sample, the open vault, and the facts so far."""

    def __init__(self, folder: Path, out: Output) -> None:
        self.folder = folder
        self.out = out
        self.sample: Facts = json.loads(sample_bytes())
        self.facts: Facts = {}
        self.memories: dict[str, list[Memory]] = {}
        self.screen = demo_view.screen()
        self.vault = Vault.init(folder / "vault", key_folder=folder / "keys")

    def show(self, name: str, facts: Any, draw: Callable[..., None]) -> None:
        self.facts[name] = facts
        if not self.out.as_json:
            draw(self.screen, facts)

    def tenant(self, number: int) -> str:
        return str(self.sample["tenants"][number]["name"])

    def user(self, tenant: int, person: int) -> str:
        return str(self.sample["tenants"][tenant]["people"][person]["user"])

    def session(self, tenant: int, role: str = "app", purpose: str = "service") -> Session:
        agent = self.sample["tenants"][tenant]["agent"] if role == "app" else "dr-osei"
        return self.vault.session(Principal(self.tenant(tenant), agent, (role,)), purpose=purpose)

    def admin(self, tenant: int, role: str = "operator", purpose: str = "operations") -> Admin:
        return self.vault.admin(Principal(self.tenant(tenant), "night-shift", (role,)), purpose=purpose)


def sample_bytes() -> bytes:
    return resources.files("vault.cli").joinpath("sample.json").read_bytes()


def refused(act: Callable[[], object]) -> Facts:
    """What an attempt is answered: the error's class, code, message and exit code."""
    try:
        act()
    except VaultError as error:
        kind = type(error).__name__
        return {"error": kind, "code": error.code, "message": error.message, "exit_code": error.exit_code}
    return {"error": None, "code": None, "message": "it was NOT refused", "exit_code": 0}


# --- the steps -----------------------------------------------------------------------------------------------------


def write(demo: Demo) -> None:
    """Every message of every conversation goes in; what comes back is what is stored."""
    written = []
    for number, tenant in enumerate(demo.sample["tenants"]):
        session = demo.session(number)
        for person in tenant["people"]:
            messages = [{"role": m["role"], "content": m["text"]} for m in person["messages"]]
            result = session.add(
                messages,  # type: ignore[arg-type]
                user_id=person["user"],
                agent_id=tenant["agent"],
                run_id=person["run"],
                metadata={"channel": "chat"},
            )
            demo.memories[person["user"]] = list(result.memories)
            pairs = zip(messages, result.memories, strict=True)
            turns = [{"role": m["role"], "said": m["content"], "stored": s.text} for m, s in pairs]
            about = {
                "tenant": tenant["name"],
                "user": person["user"],
                "name": person["name"],
                "who": person["who"],
            }
            written.append({**about, "turns": turns, "redacted": result.redacted})
    demo.show("written", written, demo_view.written)


def find(demo: Demo) -> None:
    """Three ways to find a memory; a value is found although only its token is stored."""
    found = []
    for tenant, person, how, question in QUESTIONS:
        user = demo.user(tenant, person)
        hit = demo.session(tenant).search(question, user_id=user, limit=1)[0]
        found.append(
            {"how": how, "user": user, "question": question, "found": hit.memory.text, "score": hit.score}
        )
    demo.show("found", found, demo_view.found)


def attack(demo: Demo) -> None:
    """The bank tries to reach the clinic's patient; a wildcard tries to reach everybody."""
    bank, patient = demo.session(1), demo.user(0, 0)
    stolen = demo.memories[patient][0].id
    never = stolen[:-4] + ("0000" if not stolen.endswith("0000") else "1111")
    attempts = [
        {"attempt": "the bank reads a memory of the clinic by its id", **refused(lambda: bank.get(stolen))},
        {"attempt": "the bank reads an id that nobody ever had", **refused(lambda: bank.get(never))},
        {
            "attempt": "the bank deletes the clinic's memory",
            **refused(lambda: bank.delete(stolen, reason="spring cleaning")),
        },
        {"attempt": "a search over user_id *", **refused(lambda: bank.search("cards", user_id="*"))},
        {
            "attempt": "a filter that names the other tenant",
            **refused(lambda: bank.search("cake", user_id=patient, filters={"tenant": demo.tenant(0)})),
        },
    ]
    hits = len(bank.search("wedding cake", user_id=patient))
    demo.show("attacks", {"attempts": attempts, "foreign_hits": hits}, demo_view.attacks)


def change(demo: Demo) -> None:
    """An update keeps the old version; the history says who, when and why."""
    session = demo.session(0)
    moved = next(m for m in demo.memories[demo.user(0, 0)] if "cardiology" in m.text)
    session.update(moved.id, UPDATED, reason=REASON)
    steps = [
        {
            "version": r.version,
            "event": r.event,
            "at": r.at,
            "actor": r.actor,
            "reason": r.reason,
            "text": r.text,
        }
        for r in session.history(moved.id)
    ]
    demo.show("history", steps, demo_view.history)


def reveal(demo: Demo) -> None:
    """A value comes back only for a role that the policy allows, with a reason, and into the log."""
    memory = demo.memories[demo.user(0, 0)][0]
    why = "reschedule the appointment by telephone"
    denied = refused(lambda: demo.session(0).reveal(memory.id, reason=why))
    staff = demo.session(0, "staff", "treatment")
    shown = staff.reveal(memory.id, reason=why).text
    facts = {"stored": memory.text, "app": denied, "staff": shown, "reason": why}
    demo.show("reveal", facts, demo_view.reveal)


def check_log(demo: Demo) -> None:
    """The log is signed, log and records verify; the auditor sees who looked at one person's memories."""
    notes = [demo.admin(n).audit_checkpoint() for n in range(len(demo.sample["tenants"]))]
    verified = {demo.tenant(n): demo.admin(n).audit_verify() for n in range(len(demo.sample["tenants"]))}
    patient = demo.user(0, 0)
    seen = demo.admin(0, "auditor", "audit").audit_show(user_id=patient)
    entries = [
        {"at": s.at, "actor": s.actor, "roles": s.roles, "action": s.action, "purpose": s.purpose,
         "result": s.result, "reason": s.reason}
        for s in seen
    ]  # fmt: skip
    demo.show(
        "log",
        {"verified": verified, "checkpoint": notes[0], "user": patient, "entries": entries},
        demo_view.log,
    )


def search_files(demo: Demo) -> None:
    """Every byte of every file is searched for every input, while the vault is open and its files are warm."""
    strings = needles(demo.sample)
    haystack = Haystack(path for path in sorted(demo.folder.rglob("*")) if path.is_file())
    facts = {
        "files": [
            {"path": str(path.relative_to(demo.folder)), "bytes": size}
            for path, size in haystack.sizes.items()
        ],
        "strings": len(strings),
        "readable": haystack.count(strings),
        "control": Haystack.of(sample_bytes()).count(strings),
        "keys": str(demo.folder / "keys"),
    }
    demo.show("files", facts, demo_view.files)


def tamper(demo: Demo) -> None:
    """One byte in a copy of the records is flipped; the copy is refused, the original still verifies."""
    clinic = demo.admin(0).overview()["tenants"]
    folder = next(tenant["folder"] for tenant in clinic if tenant["name"] == demo.tenant(0))
    demo.vault.close()
    copy = demo.folder / "copy"
    shutil.copytree(demo.folder / "vault", copy)
    victim = copy / "tenants" / folder / "records.db"
    data = bytearray(victim.read_bytes())
    position = len(data) // 2
    data[position] ^= 0x01
    victim.write_bytes(data)
    caught = refused(lambda: _verified(copy, demo))
    shutil.rmtree(copy)
    demo.vault = Vault.open(demo.folder / "vault")
    original = demo.admin(0).audit_verify()
    demo.vault.close()
    facts = {"byte": position, "bytes": len(data), "caught": caught, "original": original}
    demo.show("tampered", facts, demo_view.tampered)


def _verified(copy: Path, demo: Demo) -> None:
    with Vault.open(copy) as vault:
        vault.admin(Principal(demo.tenant(0), "night-shift", ("operator",))).audit_verify()


STEPS: Final = (write, find, attack, change, reveal, check_log, search_files, tamper)
