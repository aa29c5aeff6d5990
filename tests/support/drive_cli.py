"""Drives every verb of the command line with canaries; what a person is meant to see on standard output is not a leak.

`VERBS` has one function per verb; a test compares it with what the application registered.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import typer

from support.canaries import Canaries, personal
from support.commands import Answer, run_command
from vault.cli.main import app


def registered(command: Any = None, path: tuple[str, ...] = ()) -> Iterator[str]:
    """Every verb with its noun, as typed."""
    command = typer.main.get_command(app) if command is None else command
    children = getattr(command, "commands", None)
    if children is None:
        yield " ".join(path)
    else:
        for name, child in children.items():
            yield from registered(child, (*path, name))


class Terminal:
    """One vault and its tenant; keeps everything that was printed where nothing may show."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.canaries = Canaries(8)
        self.personal = personal(self.canaries)
        self.said: list[str] = []
        self.user = self.canaries.word("user id")
        self.tenant = self.canaries.word("tenant name")
        self.input = folder / "input"
        self.input.mkdir()

    def run(self, *words: object, text: str = "", code: int | None = 0) -> Answer:
        """Run a command that must exit with `code` (None: with any error); failures must show nothing anywhere."""
        answer = run_command("--vault", self.folder / "vault", "--tenant", self.tenant, *words, text=text)
        self.said.append(answer.err)
        assert answer.code == code or (code is None and answer.code), (words[:2], answer)
        if answer.code:
            self.said.append(answer.out)
        return answer

    def fails(self, *words: object, text: str = "") -> None:
        self.run(*words, text=text, code=None)
        self.run(*words, "--json", text=text, code=None)

    def file(self, name: str, content: str) -> Path:
        """A file of the caller's, which holds canaries by its nature: left out of the scan."""
        path = self.input / name
        path.write_text(content)
        return path

    def memory(self) -> str:
        answer = self.run(
            "add", "--json", "--user", self.user, text=f"{self.canaries.fact()}; {self.personal['URL']}"
        )
        return str(answer.document["memories"][0]["id"])


def init(t: Terminal) -> None:
    t.run(
        "init",
        t.folder / "vault",
        "--key-folder",
        t.folder / "keys",
        "--keystore-backup",
        t.folder / "backups",
    )
    t.fails("init", t.folder / "vault")
    t.fails("init", t.folder / "other", "--passphrase", t.canaries.word("refused passphrase"))
    t.fails("init", t.folder / "other", "--" + t.canaries.word("refused option"))


def demo(t: Terminal) -> None:
    t.run("demo", "--json", "--keep", t.folder / "demo")
    t.fails("demo", "--keep", t.folder / "demo")


def add(t: Terminal) -> None:
    c = t.canaries
    metadata = json.dumps({c.word("metadata key"): c.word("metadata value")})
    scope = ("--agent", c.word("agent id"), "--app", c.word("app id"), "--run", c.word("run id"))
    t.run("add", "--user", t.user, *scope, "--metadata", metadata, "--expires", "30d",
          "--idempotency-key", c.word("idempotency key"), text=c.fact())  # fmt: skip
    t.run("add", c.fact(), "--user", t.user, "--metadata", f"@{t.file('metadata.json', metadata)}")
    t.run("add", "--user", t.user, "--file", t.file("text.txt", c.fact()))
    t.run("add", "--user", t.user, text="\n".join(t.personal.values()))
    t.fails("add", "--user", c.word("refused id") + "\x01", text=c.fact("refused text"))
    t.fails("add", "--user", t.user, text=c.fact("refused text") + "\x00")
    t.fails("add", c.fact("refused text"), c.word("too much"), "--user", t.user)
    t.fails("add", "--user", t.user, "--metadata", "{" + c.word("refused metadata"), text="some words")
    t.fails("add", "--user", t.user, "--metadata", f"@{c.word('missing file')}", text="some words")
    t.fails("add", "--user", t.user, "--expires", c.word("refused time"), text="some words")
    t.fails("add", "--user", t.user, "--file", c.word("missing file"))
    t.fails("add", text=c.fact("refused text"))


def search(t: Terminal) -> None:
    c = t.canaries
    t.run("search", c.word("query"), "--user", t.user, "--explain")
    tree = json.dumps({c.word("filter key"): {"ne": c.word("filter value")}})
    t.run("search", "--user", t.user, "--filter", tree, "--json", text=c.word("query"))
    t.run("search", t.personal["EMAIL_ADDRESS"], "--user", t.user)
    t.fails(
        "search",
        c.word("query"),
        "--user",
        t.user,
        "--filter",
        json.dumps({"user_id": c.word("refused value")}),
    )
    t.fails("search", c.word("query"), "--user", t.user, "--limit", c.word("refused number"))
    t.fails("search", c.word("query"), "--user", t.user, "--reveal", c.word("reason"))
    t.run("search", c.word("query"), "--user", t.user, "--reveal", c.word("reason"), "--role", "staff")


def get(t: Terminal) -> None:
    t.run("get", t.memory())
    t.fails("get", t.canaries.word("refused id"))
    t.fails("get", t.memory(), "--role", t.canaries.word("role"))
    t.fails("get", t.memory(), "--purpose", t.canaries.word("refused purpose"))


def list_(t: Terminal) -> None:
    cursor = t.run("list", "--user", t.user, "--limit", "1", "--json").document["next_cursor"]
    t.run("list", "--user", t.user, "--cursor", cursor)
    t.fails("list", "--user", t.canaries.word("user id"), "--cursor", cursor)
    t.fails("list", "--user", t.user, "--cursor", t.canaries.word("refused cursor"))
    t.fails("list", "--user", t.user, "--order", t.canaries.word("refused order"))


def update(t: Terminal) -> None:
    memory = t.memory()
    t.run("update", memory, "--reason", t.canaries.word("reason"), text=t.canaries.fact())
    t.run(
        "update",
        memory,
        "--metadata",
        json.dumps({t.canaries.word("metadata key"): t.canaries.word("metadata value")}),
    )
    t.fails("update", t.canaries.word("refused id"), text=t.canaries.fact("refused text"))


def delete(t: Terminal) -> None:
    t.run("delete", t.memory(), "--dry-run")
    t.run("delete", t.memory(), "--reason", t.canaries.word("reason"))
    t.fails("delete", t.canaries.word("refused id"), "--reason", t.canaries.word("reason"))


def delete_all(t: Terminal) -> None:
    user = t.canaries.word("user id")
    t.run("add", "--user", user, text=t.canaries.fact())
    t.run("delete-all", "--user", user)
    t.run("delete-all", "--user", user, "--execute")
    t.fails("delete-all", "--agent", t.canaries.word("refused id") + "\x01", "--execute")


def history(t: Terminal) -> None:
    t.run("history", t.memory())
    t.fails("history", t.canaries.word("refused id"))


def reveal(t: Terminal) -> None:
    memory = t.memory()
    t.run("reveal", memory, "--reason", t.canaries.word("reason"), "--role", "staff")
    t.fails("reveal", memory, "--reason", t.canaries.word("reason"))
    t.fails("reveal", memory)


def import_(t: Terminal) -> None:
    c = t.canaries
    lines = [
        {
            "memory": c.fact(),
            "user_id": c.word("user id"),
            "metadata": {c.word("metadata key"): c.word("metadata value")},
        },
        {"text": c.fact("refused text"), "user_id": "*"},
        {c.word("refused field"): c.word("refused value")},
        [c.word("refused value")],
    ]
    file = t.file("lines.jsonl", "\n".join([*map(json.dumps, lines), "{" + c.word("refused line")]) + "\n")
    t.run("import", file, "--dry-run", code=5)
    t.run("import", file, "--report", t.folder / "report.json", code=5)
    t.fails("import", c.word("missing file"))
    t.fails("import", t.file("other.json", c.word("refused line")))


def export_run(t: Terminal) -> None:
    """What it writes is the caller's, like the files in `input`."""
    c, to = t.canaries, t.input / "copy.zip"
    t.run("add", "--user", t.user, text=t.personal["US_SSN"])
    t.run("export", "run", "--user-id", t.user, "--to", to, "--dry-run", "--reveal", c.word("reason"))
    t.run("export", "run", "--user-id", t.user, "--to", to, "--reveal", c.word("reason"))
    t.run("export", "run", "--user-id", t.user, "--to", t.input / "copy", "--folder", "--restart", "--json")
    t.fails("export", "run", "--user-id", t.user, "--to", to)
    t.fails("export", "run", "--user-id", t.user, "--to", t.folder / "vault" / "copy")
    t.fails("export", "run", "--user-id", t.user, "--to", t.input / c.word("missing folder") / "copy")
    t.fails("export", "run", "--user-id", t.user, "--to", t.input / "other", "--role", "app")
    t.fails("export", "run", "--user-id", c.word("refused id"), "--to", t.input / "other")
    t.fails("export", "run", "--to", t.input / "other")


def export_verify(t: Terminal) -> None:
    c = t.canaries
    t.run("export", "verify", t.input / "copy.zip")
    t.run("export", "verify", t.input / "copy", "--json")
    t.fails("export", "verify", t.input / "copy.zip", "--digest", c.word("refused digest"))
    t.fails("export", "verify", t.file("no-export.zip", c.word("refused archive")))
    t.fails("export", "verify", c.word("missing file"))


def _request(t: Terminal, *scope: object, user: str = "") -> str:
    """A request's id; the person's id goes in by standard input."""
    words = scope or ("--user-id", "-")
    answer = t.run("request", "open", "--json", "--ground", "gdpr.17.1.b", *words, text=user or t.user)
    return str(answer.document["id"])


def request_open(t: Terminal) -> None:
    c = t.canaries
    _request(t)
    _request(t, "--memory-id", t.memory())
    t.run("request", "open", "--user-id", t.user, "--ground", "gdpr.17.1.b", "--run-id", c.word("run id"))
    t.fails("request", "open", "--user-id", t.user, "--ground", c.word("refused ground"))
    t.fails("request", "open", "--user-id", c.word("refused id") + "\x01", "--ground", "gdpr.17.1.b")
    t.fails("request", "open", "--ground", "gdpr.17.1.b")
    t.fails("request", "open", "--user-id", t.user, "--ground", "gdpr.17.1.b", "--role", c.word("role"))


def request_life(t: Terminal) -> None:
    """Preview, approval, run, certificate, each with what it refuses."""
    c, user = t.canaries, t.canaries.word("user id")
    t.run("add", "--user", user, text="\n".join(t.personal.values()))
    one = _request(t, user=user)
    t.fails("request", "run", one, "--execute")
    t.fails("request", "certificate", one, "--out", t.input / "early.json")
    digest = t.run("request", "preview", one, "--json").document["digest"]
    t.fails("request", "approve", one, "--digest", c.word("refused digest"))
    t.fails("request", "approve", one, "--digest", digest)
    t.run("request", "run", one)
    t.fails("request", "run", one, "--execute", "--opening", t.file("taken.json", c.fact()))
    t.run("request", "run", one, "--execute", "--opening", t.input / "opening.json")
    t.run("request", "certificate", one, "--out", t.folder / "c.json", "--html", t.folder / "c.html")
    t.fails("request", "certificate", one, "--out", t.folder / "c.json")
    t.fails("request", "cancel", one)
    t.fails("request", "run", c.word("refused id"), "--execute")


def request_cancel(t: Terminal) -> None:
    one = _request(t)
    t.run("request", "show", one)
    t.run("request", "cancel", one)
    t.fails("request", "cancel", t.canaries.word("refused id"))
    t.fails("request", "show", t.canaries.word("refused id"))


def hold_life(t: Terminal) -> None:
    c, user = t.canaries, t.canaries.word("user id")
    t.run("add", "--user", user, text=c.fact())
    held = t.run(
        "hold", "place", "--user-id", "-", "--matter", c.word("matter"), "--reason", c.word("reason"),
        "--review", "2031-01-01", "--json", text=user,
    ).document["id"]  # fmt: skip
    t.run("delete-all", "--user", user, "--execute", code=4)
    t.run("hold", "list")
    t.run("hold", "release", held, "--reason", c.word("reason"))
    t.run("hold", "list", "--released")
    t.fails("hold", "release", held)
    t.fails("hold", "release", c.word("refused id"))
    t.fails("hold", "place", "--user-id", user, "--matter", c.word("refused matter") + "\x01")
    t.fails(
        "hold", "place", "--user-id", user, "--matter", c.word("matter"), "--review", c.word("refused date")
    )
    t.fails("hold", "list", "--role", c.word("role"))


def subject_ids(t: Terminal) -> None:
    """Rename, merge, aliases; ids are read from standard input, so that no list of processes has them."""
    c, one, other = t.canaries, t.canaries.word("user id"), t.canaries.word("user id")
    for user in (one, other):
        t.run("add", "--user", user, text="\n".join(t.personal.values()))
    new, alias = c.word("user id"), c.word("user id")
    t.run("subject", "rename", "--user-id", "-", "--to", "-", text=f"{one}\n{new}\n")
    t.run("subject", "rename", "--user-id", one, "--to", new, "--reason", c.word("reason"), "--execute")
    t.run("subject", "alias", "add", "--user-id", "-", "--alias", "-", text=f"{one}\n{alias}")
    t.run("subject", "alias", "list", "--user-id", "-", text=alias)
    t.run("subject", "alias", "list", "--user", alias, "--json")
    t.run("subject", "merge", "--source", alias, "--into", other)
    t.run("subject", "merge", "--source", "-", "--into", "-", "--execute", text=f"{alias}\n{other}\n")
    t.run("subject", "alias", "remove", "--user-id", one, "--alias", alias, "--reason", c.word("reason"))
    t.run("subject", "rename", "--user-id", new, "--to", c.word("user id"), "--forget-old", "--execute")
    t.fails("subject", "rename", "--user-id", c.word("user id"), "--to", c.word("user id"), "--execute")
    t.fails("subject", "rename", "--to", c.word("user id"))
    t.fails("subject", "merge", "--source", c.word("refused id") + "\x01", "--into", other, "--execute")
    t.fails("subject", "merge", "--source", "-", "--into", other, text=f"{one}\n{c.word('too much')}\n")
    t.fails("subject", "alias", "add", "--user-id", one, "--alias", t.user)
    t.fails("subject", "alias", "remove", "--user-id", one, "--alias", c.word("user id"))
    t.fails("subject", "alias", "list", "--user-id", c.word("user id"))
    t.fails("subject", "alias", "list", "--user-id", one, "--role", c.word("role"))


def subject_mentions(t: Terminal) -> None:
    c, value = t.canaries, t.canaries.word("value")
    for user in (t.user, c.word("user id")):
        t.run("add", "--user", user, text=f"{value} said: {c.fact()}")
    found = t.run("subject", "mentions", "--json", text=value).document
    assert value not in str(found)
    bounds = ("--limit", "1", "--people", "5", "--user-id", t.user)
    t.run("subject", "mentions", "--file", t.file("value", value), *bounds)
    ids = t.file("ids", "\n".join(one["memory_id"] for one in found["found"]))
    options = ("--ids", ids, "--reason", c.word("reason"), "--entity", "PERSON")
    assert t.run("subject", "redact", *options, "--json", text=value).document["memories"] == 2
    assert t.run("subject", "redact", *options, "--execute", "--json", text=value).document["memories"] == 2
    t.run("subject", "redact", found["found"][0]["memory_id"], "--reason", c.word("reason"), text=value)
    t.fails("subject", "mentions", text=c.word("refused value") + "\x01")
    t.fails("subject", "mentions", "--cursor", c.word("refused cursor"), text=value)
    t.fails("subject", "mentions", "--file", t.input / c.word("missing file"))
    t.fails("subject", "mentions", "--role", c.word("role"), text=value)
    t.fails("subject", "redact", c.word("refused id"), "--reason", c.word("reason"), text=value)
    t.fails("subject", "redact", "--reason", c.word("reason"), text=value)
    t.fails("subject", "redact", "--ids", t.input / c.word("missing file"), *options[2:], text=value)
    t.fails("subject", "redact", *options[:4], "--entity", c.word("refused class"), text=value)


def subject_search(t: Terminal) -> None:
    c, fact = t.canaries, t.canaries.fact()
    users = [t.user, c.word("user id")]
    for user in users:
        t.run("add", "--user", user, text=fact)
    found = t.run(
        "subject", "search", "--users", t.file("users", "\n".join(users)), "--json", text=fact
    ).document
    assert {hit["memory"]["user_id"] for hit in found["hits"]} == set(users)
    options = ("--limit", "5", "--recency", "30", "--repeats", "--explain", "--agent", c.word("agent id"))
    t.run(
        "subject", "search", "--user-id", users[0], "--user-id", users[1], *options, text=c.word("question")
    )
    t.run("subject", "search", "--everybody", "--json", text=c.word("question"))
    many = t.file("many", "\n".join(c.word("user id") for _ in range(101)))
    t.fails("subject", "search", "--users", many, text=c.word("refused question"))
    t.fails("subject", "search", text=c.word("refused question"))
    t.fails("subject", "search", "--everybody", "--user-id", users[0], text=c.word("refused question"))
    t.fails("subject", "search", "--user-id", c.word("refused id") + "\x01", text=c.word("refused question"))
    t.fails("subject", "search", "--users", t.input / c.word("missing file"), text=fact)
    t.fails("subject", "search", "--user-id", users[0], "--filter", c.word("refused filter"), text=fact)
    t.fails("subject", "search", "--user-id", users[0], "--role", c.word("role"), text=fact)


def tenant_create(t: Terminal) -> None:
    name = t.canaries.word("tenant name")
    t.run("tenant", "create", name)
    t.fails("tenant", "create", name)
    t.fails("tenant", "create", t.canaries.word("refused tenant") + "\x01")


def audit_show(t: Terminal) -> None:
    t.run("audit", "show", "--user-id", t.user, "--since", "1d")
    t.run("audit", "show", "--json")
    t.fails("audit", "show", "--since", t.canaries.word("refused time"))
    t.fails("audit", "show", "--user-id", t.canaries.word("refused id") + "\x01")


def audit_checkpoint(t: Terminal) -> None:
    plain("audit", "checkpoint")(t)
    t.run("audit", "checkpoint", "--out", t.folder / "kept")
    t.fails("audit", "checkpoint", "--out", t.folder / "kept")
    t.fails("audit", "verify", "--since", t.canaries.word("missing file"))


def audit_export(t: Terminal) -> None:
    """What goes to a collector of logs is scanned like everything else."""
    for form in ("jsonl", "ocsf"):
        t.run("audit", "export", "--format", form, "--to", t.folder / f"log.{form}")
        t.run("audit", "export", "--format", form, "--to", t.folder / f"log.{form}", "--resume", "--json")
        t.run("audit", "export", "--format", form, "--since", "1d", "--cursor", t.folder / f"cursor.{form}")
    t.fails("audit", "export", "--to", t.folder / "log.jsonl")
    t.fails("audit", "export", "--format", t.canaries.word("refused value"))
    t.fails("audit", "export", "--since", t.canaries.word("refused time"))


def evidence_build(t: Terminal) -> None:
    """What is handed out is scanned like everything else."""
    for name in ("evidence", "evidence.zip"):
        t.run("evidence", "build", "--out", t.folder / name)
        t.fails("evidence", "build", "--out", t.folder / name)
    t.fails("evidence", "build", "--out", t.folder / t.canaries.word("missing folder") / "x")


def evidence_verify(t: Terminal) -> None:
    keys = t.run("audit", "verify", "--json").document["vkeys"]
    vkey = t.file("keys.txt", "\n".join(keys))
    t.run("evidence", "verify", t.folder / "evidence.zip", "--vkey", vkey, "--since", t.folder / "kept")
    t.fails(
        "evidence",
        "verify",
        t.folder / "evidence.zip",
        "--vkey",
        t.file("no-key", t.canaries.word("refused key")),
    )
    t.fails("evidence", "verify", t.file("none", t.canaries.word("refused certificate")), "--vkey", vkey)
    t.fails("evidence", "verify", t.canaries.word("missing file"), "--vkey", vkey)


def evidence_page(t: Terminal) -> None:
    t.fails(
        "evidence",
        "page",
        t.file("none", t.canaries.word("refused certificate")),
        "--out",
        t.folder / "page.html",
    )


def keys_rotate(t: Terminal) -> None:
    for level in ("tenant", "subject", "root"):
        t.run("keys", "rotate", level)
    t.fails("keys", "rotate", t.canaries.word("refused level"))


def backup_life(t: Terminal) -> None:
    """Made, listed, checked and put back; errors name no place and no value."""
    c, place = t.canaries, t.folder / "copies"
    t.run("backup", "create", "--data", "--to", place, "--dry-run")
    made = t.run("backup", "create", "--data", "--to", place, "--keep", "3", "--json").document["folder"]
    t.run("backup", "create", "--keystore", "--keep-days", "3")
    t.run("backup", "archive", "--to", t.folder / "archive-copy")
    t.fails("backup", "archive", "--to", t.folder / "vault" / c.word("refused value"))
    t.run("backup", "list", place)
    t.run("backup", "verify", made)
    t.run("backup", "restore", made, "--data")
    t.run("backup", "restore", made, "--data", "--execute", "--accept-loss", "--json")
    t.run("backup", "restore", t.folder / "backups", "--keystore")
    t.fails("backup", "create", "--data", "--keystore", "--to", place)
    t.fails("backup", "create", "--data", "--to", t.folder / "vault" / c.word("refused value"))
    t.fails("backup", "create", "--data", "--to", place, "--keep", c.word("refused number"))
    t.fails("backup", "verify", place / c.word("missing file"))
    t.fails("backup", "restore", place / c.word("missing file"), "--data")
    t.fails("backup", "restore", made, "--keystore")
    t.fails("backup", "restore", made)
    t.fails("backup", "restore", made, "--data", "--role", c.word("role"))
    t.fails("backup", "list", place / c.word("missing file"), c.word("too much"))


def doctor(t: Terminal) -> None:
    """What it finds depends on the machine, so any answer will do."""
    t.said.append(run_command("--vault", t.folder / "vault", "--tenant", t.tenant, "doctor").err)
    t.fails("doctor", t.canaries.word("too much"))


def detect_text(t: Terminal) -> None:
    c = t.canaries
    t.run(
        "detect", "text", "--json", "--context", c.word("metadata key"), text="\n".join(t.personal.values())
    )
    t.run("detect", "text", "--file", t.file("look.txt", c.fact()))
    t.fails("detect", "text", "--file", c.word("missing file"))
    t.fails("detect", "text", c.fact("refused text"), "--pack", c.word("refused pack"))


def detect_eval(t: Terminal) -> None:
    """The listed misses have offsets only; a broken file is refused without a word of it."""
    c = t.canaries
    value = c.word("marked value")
    text = f"{c.fact()} {value}"
    line = json.dumps({"text": text, "spans": [[len(text) - len(value), len(text), "PERSON"]]})
    good = t.file("marked.jsonl", line + "\n")
    answer = t.run("detect", "eval", "--data", good, "--format", "jsonl", "--misses", "5", "--json")
    t.said.append(answer.out)
    t.said.append(t.run("detect", "eval", "--data", good, "--format", "jsonl", "--misses", "5").out)
    for form in ("presidio", "tab", "asq", "conll", "jsonl"):
        broken = t.file(f"broken.{form}", "{" + c.word("refused line"))
        t.fails("detect", "eval", "--data", broken, "--format", form)
    t.fails("detect", "eval", "--data", good, "--format", c.word("refused format"))


def models_install(t: Terminal) -> None:
    """Nothing is fetched: without --yes the command is shown, and what cannot be fetched is refused."""
    c = t.canaries
    t.run("models", "install", "spacy/xx_no_model", code=6)
    t.fails("models", "install", f"spacy/{c.word('refused model')} x")
    t.fails("models", "install", "spacy/xx_no_model", "--from", c.word("missing folder"), "--yes")
    t.fails("models", "install", "spacy/xx_no_model", "--release", f" {c.word('refused release')}")


def plain(*words: str) -> Callable[[Terminal], None]:
    """A verb that takes no content: as it is, as somebody who may not, and with something it does not know."""

    def call(t: Terminal) -> None:
        t.run(*words)
        t.run(*words, "--json")
        t.run(*words, *(t.canaries.word("too much") for _ in range(3)), code=None)
        t.run(*words, "--" + t.canaries.word("refused option"), code=None)

    return call


def telemetry_life(t: Terminal) -> None:
    t.fails("telemetry", "rotate")
    for verb in ("status", "preview", "enable", "rotate", "preview", "status", "disable"):
        t.run("telemetry", verb)
        t.run("telemetry", "status", "--json")
    t.fails("telemetry", "enable", "--role", t.canaries.word("role"))
    t.fails("telemetry", "enable", "--purpose", t.canaries.word("refused purpose"))


VERBS: dict[str, Callable[[Terminal], None]] = {
    "init": init, "demo": demo, "add": add, "search": search, "get": get, "list": list_, "update": update,
    "delete": delete, "delete-all": delete_all, "history": history, "reveal": reveal, "import": import_,
    "export run": export_run, "export verify": export_verify,
    "request open": request_open, "request cancel": request_cancel, "request show": request_cancel,
    **{f"request {verb}": request_life for verb in ("preview", "approve", "run", "certificate")},
    "request list": plain("request", "list"), "request roll": plain("request", "roll"),
    **{f"hold {verb}": hold_life for verb in ("place", "release", "list")},
    **{f"subject {verb}": subject_ids for verb in ("rename", "merge", "alias add", "alias remove", "alias list")},
    "subject search": subject_search,
    **{f"subject {verb}": subject_mentions for verb in ("mentions", "redact")},
    "tenant create": tenant_create, "audit show": audit_show, "audit export": audit_export, "keys rotate": keys_rotate,
    "audit checkpoint": audit_checkpoint, "evidence build": evidence_build, "evidence verify": evidence_verify,
    "evidence page": evidence_page,
    **{name: plain(*name.split()) for name in (
        "status", "tenant list", "keys status", "keys backup", "keys verify", "audit verify",
        "index status", "index verify", "index rebuild", "index move", "index sweep", "retention plan", "retention run",
        "rescan", "reembed", "policy lint", "policy test",
    )},
    "doctor": doctor,
    **{f"telemetry {verb}": telemetry_life for verb in ("status", "preview", "enable", "disable", "rotate")},
    **{f"backup {verb}": backup_life for verb in ("create", "archive", "list", "verify", "restore")},
    "policy diff": plain("policy", "diff", "baseline", "baseline"),
    "policy explain": plain("policy", "explain", "memory.add"),
    "models list": plain("models", "list"),
    "models install": models_install,
    "detect text": detect_text,
    "detect eval": detect_eval,
    "detect coverage": plain("detect", "coverage"),
    "detect measure": plain("detect", "measure", "--most", "5"),
}  # fmt: skip


def drive_verbs(t: Terminal) -> None:
    for function in dict.fromkeys(VERBS.values()):
        function(t)
