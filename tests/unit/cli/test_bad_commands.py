"""Bad input on the command line, verb by verb and parameter by parameter: a code, one line, no content, nothing stored.

Verbs and parameters are found by introspection: a new one fails here until it has a row in the table.
"""

from __future__ import annotations

import os
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from support.calls import held
from support.commands import Answer, Run
from typer.main import get_command

from vault import Vault
from vault.cli.main import app

CANARY = "Quorzil-77-vembrath"
UUID = "7f9c24e8-3b12-4fef-91e0-5a0b93c1d2e4"
SHARED = {"vault", "tenant", "user", "purpose", "role", "as_json"}

Row = tuple[str, int, str]  # the value, the exit code, the error's code

SCOPE: list[Row] = [
    ("", 2, "scope.empty"), ("  ", 2, "scope.empty"), ("*", 2, "scope.wildcard"), ("%", 2, "scope.wildcard"),
    (CANARY.ljust(257, "x"), 2, "scope.length"), (f"{CANARY}\n", 2, "scope.control"),
    (f"{CANARY}\u200b", 2, "scope.control"), (f"{CANARY}\udcff", 2, "scope.unicode"),
]  # fmt: skip
TEXT: list[Row] = [
    ("", 2, "text.empty"), (" \t ", 2, "text.empty"), ("\u200b", 2, "text.empty"),
    (f"{CANARY}\x1b[2J", 2, "text.control"), (f"{CANARY}\x07", 2, "text.control"),
    (f"{CANARY}\udcff", 2, "text.unicode"), (CANARY.ljust(65_537, "x"), 2, "text.length"),
]  # fmt: skip
REASON: list[Row] = [*TEXT[::3][:2], (CANARY.ljust(1_025, "x"), 2, "text.length")]
ID: list[Row] = [
    (value, 9, "memory.unknown")
    for value in ("", CANARY, UUID, UUID.upper(), "*", f"{UUID}\n", f"{CANARY}\udcff")
]
JSON: list[Row] = [
    ("", 2, "json.syntax"), (CANARY, 2, "json.syntax"), (f'{{"a": "{CANARY}"', 2, "json.syntax"),
    (f'{{"a": 1, "a": "{CANARY}"}}', 2, "json.syntax"), ('{"a": NaN}', 2, "json.syntax"),
    ("[" * 100_000, 2, "json.syntax"), (f'["{CANARY}"]', 2, "json.type"), ("5", 2, "json.type"),
    ("null", 2, "json.type"), (f"@{CANARY}", 9, "file.missing"), ("@", 2, "file.unreadable"),
]  # fmt: skip
METADATA: list[Row] = [
    *JSON, (f'{{"user_id": "{CANARY}"}}', 2, "metadata.system"), (f'{{"USER ID": "{CANARY}"}}', 2, "metadata.system"),
    ('{"a": 1e999}', 2, "metadata.number"), ('{"a": 99999999999999999999}', 2, "metadata.number"),
    (f'{{"a\\u0000": "{CANARY}"}}', 2, "metadata.control"), ('{"a": "\\ud800"}', 2, "metadata.control"),
    (f'{{"a": {"[" * 9}"{CANARY}"{"]" * 9}}}', 2, "metadata.depth"),
    (f'{{"a": "{CANARY:x<16400}"}}', 2, "metadata.length"),
]  # fmt: skip
FILTERS: list[Row] = [
    *JSON[::4], (f'{{"user_id": "{CANARY}"}}', 2, "filters.scope"),
    (f'{{"a": {{"$ne": "{CANARY}"}}}}', 2, "filters.operator"),
    (f'{{"AND": "{CANARY}"}}', 2, "filters.type"), ('{"a": {}}', 2, "filters.empty"), ('{"": 1}', 2, "filters.key"),
]  # fmt: skip
NUMBER: list[Row] = [(value, 2, "usage") for value in ("", CANARY, "1.5", "0x10", "--", "true")]
REQUEST: list[Row] = [
    *[(v, 2, "request_id.form") for v in ("", CANARY, "0" * 31, "A" * 32, f"{CANARY}\udcff")],
    ("0" * 32, 9, "request.unknown"),
]
HOLD: list[Row] = [
    *[(v, 2, "hold_id.form") for v in ("", CANARY, "0" * 33)],
    ("0" * 32, 9, "hold.unknown"),
]
PLACE: list[Row] = [
    ("./good.json", 2, "file.exists"),
    (f"./{CANARY}/x", 2, "file.place"),
    (".", 2, "file.exists"),
]
LIMIT: list[Row] = [
    *NUMBER,
    ("0", 2, "limit.range"),
    ("-1", 2, "limit.range"),
    ("9999999", 2, "limit.range"),
    ("9" * 60, 2, "limit.range"),
]
TIME = [CANARY, "", "tomorrow", "30", "-30d", "30y", "999999d", "2031-02-30", "2031-01-01T25:00"]
FILE: list[Row] = [(f"./{CANARY}", 9, "file.missing"), (".", 2, "file.unreadable")]
FLAG: list[Row] = [(f"={CANARY}", 2, "usage"), ("=true", 2, "usage")]
PACK: list[Row] = [(CANARY, 11, "policy.missing"), (f"./{CANARY}", 11, "policy.missing")]
NAME: list[Row] = [
    *SCOPE,
    ("memvault:system", 2, "tenant.reserved"),
    (f"MemVault:{CANARY}", 2, "tenant.reserved"),
]
SOME = SCOPE[::3]
OTHER = {"agent": SOME, "app": SOME, "run": SOME}
LINES = {name: [(value, 5, code) for value, _, code in SOME] for name in OTHER}  # reported line by line

THRESHOLD: list[Row] = [*NUMBER[:2], *[(v, 2, "threshold.range") for v in ("-0.1", "1.1", "nan", "inf")]]
RECENCY: list[Row] = [*NUMBER[:2], *[(v, 2, "recency.range") for v in ("0", "-1", "36501", "nan", "inf")]]

# Per verb: what makes the call good but for one parameter, and the bad values of each parameter.
TABLE: dict[str, tuple[list[str], dict[str, list[Row]]]] = {
    "init": ([], {
        "folder": [("./clinic", 11, "vault.exists")],
        "key_folder": [("./new/keys", 11, "keys.inside"), ("./keys", 11, "keys.exists")],
        "passphrase": [(value, 11, "config.invalid") for value in (CANARY, "", "env:", "file:", f"vault:{CANARY}")],
        "keystore_backup": [("", 2, "path.form")],
        "explicit_tenants": FLAG,
        "pkcs11_module": [("", 2, "path.form"), *[(v, 11, "config.invalid") for v in (f"./{CANARY}", f"/{CANARY}")]],
        "pkcs11_token": [(value, 11, "config.invalid") for value in ("", CANARY * 9, f"{CANARY}\n", CANARY)],
        "pkcs11_pin": [(value, 11, "config.invalid") for value in (CANARY, "", "env:", "file:", f"vault:{CANARY}")],
    }),
    "demo": ([], {"keep": [("./clinic", 11, "demo.folder")]}),
    "add": (["--user", "u"], {
        "text": TEXT, "file": FILE, **OTHER, "metadata": METADATA,
        "expires": [*[(v, 2, "time.form") for v in TIME], ("2001-01-01", 2, "expires_at.past")],
        "idempotency_key": [(v, 2, "idempotency_key.form") for v in ("", "short", CANARY * 9, f"{CANARY}\n")],
    }),
    "search": (["--user", "u"], {
        "query": TEXT, **OTHER, "filters": FILTERS, "limit": LIMIT, "explain": FLAG, "reveal": REASON,
        "threshold": THRESHOLD, "recency": RECENCY, "repeats": FLAG,
    }),
    "get": ([], {"memory_id": ID, "reveal": REASON}),
    "list": (["--user", "u"], {
        **OTHER, "filters": FILTERS[::3], "limit": LIMIT[::3], "reveal": REASON,
        "order": [(v, 2, "order.value") for v in ("", CANARY, "CREATED_AT", "text")],
        "cursor": [(v, 2, "cursor.invalid") for v in ("", CANARY, "AAAA", f"{CANARY}\udcff")],
    }),
    "update": ([], {"memory_id": ID, "text": TEXT, "file": FILE, "metadata": METADATA[::4], "reason": REASON}),
    "delete": ([], {"memory_id": ID, "reason": REASON, "dry_run": FLAG}),
    "delete-all": (["--user", "u"], {**OTHER, "execute": FLAG}),
    "history": ([], {"memory_id": ID}),
    "reveal": (["--role", "staff"], {"memory_id": ID, "reason": REASON}),
    "import": ([], {
        "file": FILE, **LINES, "dry_run": FLAG,
        "report": [(f"./{CANARY}/report.json", 2, "report.place"), (".", 2, "report.place")],
    }),
    "export run": (["--user", "bad-commands"], {
        "to": [
            ("./clinic", 2, "to.exists"), (".", 2, "to.exists"), ("/", 2, "to.folder"),
            (f"./{CANARY}/copy", 2, "to.folder"), ("./clinic/copy", 2, "to.inside"), ("./keys/copy", 2, "to.inside"),
        ],
        "user_id": SCOPE, "reveal": REASON, "folder": FLAG, "restart": FLAG, "dry_run": FLAG,
    }),
    "export verify": ([], {"path": [(f"./{CANARY}", 9, "file.missing")], "digest": []}),  # a finding otherwise
    "request open": (["--user", "bad-commands"], {
        "ground": [(v, 2, "ground.unknown") for v in ("", CANARY, "gdpr.17")], "user_id": SCOPE,
        "agent_id": SOME, "app_id": SOME, "run_id": SOME, "memory_id": [(v, 2, "scope.one") for v in ("", CANARY)],
        "expired": [*FLAG, ("", 2, "scope.one")], "tenant_erasure": [*FLAG, ("", 2, "scope.one")],
        "kind": [(v, 2, "type.unknown") for v in ("", CANARY, "export")],
    }),
    "request preview": ([], {"request_id": REQUEST}),
    "request approve": ([], {"request_id": REQUEST, "digest": [(CANARY, 9, "request.unknown")]}),
    "request run": (["--execute"], {"request_id": REQUEST, "execute": FLAG, "roll_now": FLAG, "opening": PLACE}),
    "request certificate": ([], {"request_id": REQUEST, "out": PLACE, "html": PLACE}),
    "request list": ([], {"check": FLAG}),
    "request show": ([], {"request_id": REQUEST}),
    "request cancel": ([], {"request_id": REQUEST}),
    "request roll": ([], {"execute": FLAG, "force": FLAG}),
    "hold place": (["--user", "bad-commands"], {
        "matter": [*TEXT[:-1], (CANARY.ljust(201, "x"), 2, "text.length")], "user_id": SCOPE,
        "agent_id": SOME, "app_id": SOME, "run_id": SOME, "tenant_hold": [*FLAG, ("", 2, "scope.one")],
        "reason": REASON, "review": [(v, 2, "review.form") for v in ("", CANARY, "2031-02-30", "30d")],
    }),
    "hold release": ([], {"hold_id": HOLD, "reason": REASON}),
    "hold list": ([], {"released": FLAG}),
    "subject rename": (["--user", "bad-commands"], {
        "to": SCOPE, "user_id": SCOPE, "forget_old": FLAG, "reason": REASON, "execute": FLAG,
    }),
    "subject merge": ([], {"source": SCOPE, "into": SCOPE, "reason": REASON, "execute": FLAG}),
    "subject alias add": (["--user", "bad-commands"], {"alias": SCOPE, "user_id": SCOPE, "reason": REASON}),
    "subject alias remove": (["--user", "bad-commands"], {"alias": SCOPE, "user_id": SCOPE, "reason": REASON}),
    "subject alias list": (["--user", "bad-commands"], {"user_id": SCOPE}),
    "subject search": (["--user-id", "bad-commands"], {
        "query": TEXT, "user_id": SCOPE, "users": FILE, "everybody": [*FLAG, ("", 2, "scope.one")], **OTHER,
        "filters": FILTERS[::3], "limit": LIMIT, "threshold": THRESHOLD, "recency": RECENCY, "repeats": FLAG,
        "explain": FLAG,
    }),
    "subject mentions": (["--file", "good.json"], {
        "file": FILE, "user_id": SCOPE, "limit": LIMIT, "people": [*NUMBER, ("0", 2, "people.range")],
        "cursor": [(v, 2, "cursor.invalid") for v in ("", CANARY, "AAAA", f"{CANARY}\udcff")],
    }),
    "subject redact": (["--file", "good.json"], {
        "memory_id": [
            ("", 2, "text.empty"), (CANARY, 9, "memory.unknown"), (UUID, 9, "memory.unknown"),
            (f"{CANARY}\udcff", 2, "text.unicode"),
        ],
        "ids": FILE, "file": FILE, "reason": REASON, "execute": FLAG,
        "entity": [(v, 2, "entity.unknown") for v in ("", CANARY, "person")],
    }),
    "status": ([], {"most": [*NUMBER, ("0", 2, "usage"), ("-1", 2, "usage"), ("9999999", 2, "most.range")]}),
    "doctor": ([], {}),
    "tenant list": ([], {}),
    "tenant create": ([], {"name": [*NAME, ("default", 2, "tenant.exists")]}),
    "keys status": ([], {}),
    "keys rotate": ([], {"level": [(v, 2, "keys.level") for v in ("", CANARY, "ROOT", "root ")], "keep_old": FLAG}),
    "keys backup": ([], {}),
    "backup create": (["--keystore"], {
        "data": [*FLAG, ("", 2, "backup.kind")], "keystore": FLAG, "to": [("./clinic/x", 11, "backup.place")],
        "keep": [*NUMBER, ("0", 2, "keep.range"), ("-1", 2, "keep.range"), ("9999999", 2, "keep.range")],
        "keep_days": [*NUMBER[:2], ("0", 2, "keep_days.range")], "dry_run": FLAG,
    }),
    "backup archive": ([], {"to": [("./clinic/x", 11, "backup.place"), ("./keys/x", 11, "backup.place")]}),
    "backup list": ([], {"folder": []}),  # where there is no backup, none is listed
    "backup verify": ([], {"folder": [(f"./{CANARY}", 2, "backup.none"), (".", 2, "backup.none")]}),
    "backup restore": (["--data"], {
        "folder": [(f"./{CANARY}", 2, "backup.none"), (".", 2, "backup.none")], "data": FLAG,
        "keystore": [*FLAG, ("", 2, "backup.kind")], "execute": FLAG, "accept_loss": FLAG,
    }),
    "keys verify": ([], {}),
    "audit verify": ([], {"since": FILE}),
    "audit show": ([], {"user_id": SCOPE, "since": [(v, 2, "time.form") for v in TIME[::3]], "limit": LIMIT[::3]}),
    "audit export": (["--to", "./new.jsonl"], {
        "to": [
            ("./clinic/x", 2, "to.inside"), ("./keys/x", 2, "to.inside"), (f"./{CANARY}/x", 2, "to.folder"),
            ("good.json", 2, "to.exists"),
        ],
        "form": [(v, 2, "format.value") for v in ("", CANARY, "JSONL", "csv")],
        "since": [(v, 2, "time.form") for v in TIME[::3]],
        "resume": FLAG,
        "cursor": [("good.json", 2, "cursor.form"), ("./clinic", 10, "storage.io")],
    }),
    "audit checkpoint": ([], {
        "out": [("./clinic/memvault.toml", 2, "out.exists"), (f"./{CANARY}/x", 9, "file.missing")],
    }),
    "evidence build": ([], {"out": [
        ("./clinic", 2, "out.inside"), ("./clinic/x", 2, "out.inside"), (f"./{CANARY}/x", 2, "out.folder"),
        ("./keys", 2, "out.exists"),
    ]}),
    "evidence verify": ([], {  # what does not verify is a finding
        "path": FILE[:1], "vkey": FILE, "since": FILE, "request": [], "seen": [], "subject": [],
    }),
    "evidence page": ([], {
        "certificate": [*FILE, ("good.json", 2, "certificate.form")], "out": [("./clinic", 2, "certificate.form")],
    }),
    "index status": ([], {}),
    "index verify": ([], {}),
    "index rebuild": ([], {}),
    "index move": ([], {}),
    "index sweep": ([], {"execute": FLAG}),
    "retention plan": ([], {}),
    "retention run": ([], {"execute": FLAG}),
    "rescan": ([], {"execute": FLAG, "dry_run": FLAG}),
    "reembed": ([], {"execute": FLAG, "dry_run": FLAG}),
    **{f"telemetry {verb}": ([], {}) for verb in ("status", "preview", "enable", "disable", "rotate")},
    "policy lint": ([], {"pack": []}),  # a finding, see below
    "policy test": ([], {"pack": PACK}),
    "policy diff": ([], {"old": PACK, "new": PACK}),
    "policy explain": ([], {"action": [], "pack": PACK}),
    "detect text": ([], {
        "text": [("", 2, "text.empty"), (f"{CANARY}\udcff", 2, "text.unicode")], "file": FILE, "pack": PACK,
        "context": [], "show_content": FLAG,
    }),
    "detect eval": ([], {
        "data": FILE, "form": [("", 2, "format.unknown"), (CANARY, 2, "format.unknown")], "pack": PACK,
        "misses": [*NUMBER, ("-1", 2, "usage")], "show_content": FLAG,
    }),
    "detect coverage": ([], {}),
    "models list": ([], {}),
    "models install": ([], {
        "model": [("", 11, "models.name"), (CANARY, 11, "models.name"), (f"spacy/{CANARY} x", 11, "models.name")],
        "place": [(f"./{CANARY}", 11, "models.place"), (f"http://{CANARY}", 11, "models.name")],
        "release": [("", 11, "models.name"), (f" {CANARY}", 11, "models.name")], "yes": FLAG,
    }),
    "detect measure": (["--most", "5"], {"pack": PACK, "most": [*NUMBER, ("-1", 2, "usage")], "write": FLAG}),
}  # fmt: skip


def verbs() -> dict[str, Any]:
    found: dict[str, Any] = {}

    def walk(command: Any, path: tuple[str, ...]) -> None:
        for name, child in getattr(command, "commands", {}).items():
            walk(child, (*path, name))
        if not getattr(command, "commands", {}):
            found[" ".join(path)] = command

    walk(get_command(app), ())
    return found


VERBS = verbs()


COMMAND: Any = get_command(app)  # built once: typer's own runner builds every verb anew for every call


def run_fast(*arguments: object, text: str | bytes = b"") -> Answer:
    """As `run_command`, without standard input: every text of this module is an argument."""
    assert not text
    out, err = StringIO(), StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        code = COMMAND.main([str(a) for a in arguments], standalone_mode=False)
    return Answer(code, out.getvalue(), err.getvalue())


@pytest.fixture
def run(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.setenv("MEMVAULT_VAULT", os.fspath(folder))
    return run_fast


def parameters(verb: str) -> dict[str, Any]:
    return {p.name: p for p in VERBS[verb].params if p.name not in SHARED and p.name != "help"}


@pytest.fixture
def place(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder with the vault in it, to work in, and a file to import beside it."""
    monkeypatch.chdir(folder.parent)
    (folder.parent / "good.json").write_text('[{"content": "likes tea"}]')
    return folder


@pytest.fixture
def memory_id(run: Run, place: Path) -> str:
    answer = run("add", "--json", "--user", "bad-commands", "reach her at ana.rivera@example.org")
    return str(answer.document["memories"][0]["id"])


def command(
    verb: str, memory_id: str, spoiled: str = "", value: str = "", shared: tuple[str, ...] = ()
) -> list[str]:
    """The words of one call: good ones, and the bad one in its place."""
    good = {
        "memory_id": memory_id, "text": "likes rum", "query": "tea", "file": "good.json", "name": "new",
        "level": "detail", "reason": "call back", "folder": "./new", "old": "baseline", "new": "baseline",
        "action": "memory.get", "data": "good.json", "form": "jsonl", "model": "spacy/xx_no_model",
        "to": "./copy.zip", "path": "./copy.zip", "request_id": "0" * 32, "hold_id": "0" * 32, "ground": "gdpr.17.1.b",
        "digest": "0" * 64, "matter": "case 7", "out": "./handed-out", "vkey": "good.json",
        "certificate": "good.json", "source": "bad-commands", "into": "pat-2", "alias": "pat-3",
    }  # fmt: skip
    words: list[str] = []
    options = list(TABLE[verb][0])
    if verb == "init" and spoiled != "key_folder":
        options += ["--key-folder", "./new-keys"]
    for name, parameter in parameters(verb).items():
        option = next((o for o in parameter.opts if o.startswith("--")), None)
        if option is not None and name == spoiled:
            options += [f"{option}{value}" if getattr(parameter, "is_flag", False) else f"{option}={value}"]
        elif option is not None:
            options += [option, good[name]] if parameter.required else []
        elif name == spoiled:
            words.append(value)
        elif name in good and not (name == "text" and spoiled == "file"):
            words.append(good[name])
    return [*verb.split(), "--json", *options, *shared, *(["--", *words] if words else [])]


def said(answer: Answer) -> str:
    """The code of the error, or of the first line that an import refused."""
    if answer.code == 5:
        return str(answer.document["refused"][0]["code"])
    assert answer.out == ""
    assert len(answer.err.strip().splitlines()) == 1
    return answer.error["code"]


def stored(folder: Path) -> dict[str, Any]:
    with Vault.open(folder) as vault:
        return held(vault)


def test_the_table_covers_every_verb_and_parameter() -> None:
    assert set(TABLE) == set(VERBS)
    for verb, (_, rows) in TABLE.items():
        assert set(rows) == set(parameters(verb)), verb


CASES = [(verb, name) for verb, (_, rows) in TABLE.items() for name in rows if rows[name]]


@pytest.mark.parametrize(("verb", "name"), CASES, ids=[f"{v}.{n}" for v, n in CASES])
def test_a_bad_value_gives_its_code_and_stores_nothing(
    run: Run, place: Path, memory_id: str, verb: str, name: str
) -> None:
    before = stored(place)
    for value, exit_code, code in TABLE[verb][1][name]:
        answer = run(*command(verb, memory_id, name, value))
        assert (answer.code, said(answer)) == (exit_code, code), (value, answer.err)
        assert CANARY not in answer.out + answer.err
    assert stored(place) == before
    assert not (place.parent / "new" / "memvault.toml").exists()


PERSONAL = {
    "add", "search", "get", "list", "update", "delete", "delete-all", "history", "reveal", "import", "export run",
}  # fmt: skip


@pytest.mark.parametrize(
    "verb",
    sorted(
        set(TABLE)
        - {"init", "demo", "doctor", "policy diff", "export verify", "evidence verify", "evidence page"}
    ),
)
def test_a_bad_shared_option_gives_its_code_and_stores_nothing(
    run: Run, place: Path, memory_id: str, verb: str
) -> None:
    cases: list[tuple[str, int, str]] = [(f"--vault=./{CANARY}", 11, "config.missing")]
    if not verb.startswith(
        ("policy", "detect", "models")
    ):  # which open no vault: nobody's data, so nobody is asked for
        cases += [(f"--tenant={value}", exit_code, code) for value, exit_code, code in NAME[2::4]]
        cases += [(f"--purpose={CANARY}", 3, "policy.purpose"), (f"--role=é{CANARY}", 2, "principal.roles")]
        cases += [(f"--role={CANARY}", 3, "policy.denied")] if verb != "reveal" else []
    if verb in PERSONAL - {"import"}:
        cases += [(f"--user={value}", exit_code, code) for value, exit_code, code in SOME]
    user = ("--user=u",) if verb == "import" else ()
    before = stored(place)
    for option, exit_code, code in cases:
        answer = run(*command(verb, memory_id, shared=(*user, option)))
        assert (answer.code, said(answer)) == (exit_code, code), (option, answer.err)
        assert CANARY not in answer.out + answer.err
    assert stored(place) == before


def test_doctor_reports_what_is_wrong_as_a_finding(run: Run, place: Path) -> None:
    for option in (f"--vault=./{CANARY}", "--tenant=*", f"--purpose={CANARY}", f"--role=é{CANARY}"):
        answer = run("doctor", "--json", option)
        assert answer.code != 0, option
        assert [check for check in answer.document["checks"] if check["level"] == "fail"], option
        assert CANARY not in str(answer.document["checks"]) + answer.err


def test_a_pack_that_is_not_there_is_a_finding_of_lint(run: Run, place: Path) -> None:
    answer = run("policy", "lint", "--json", CANARY)
    assert answer.code == 5
    assert answer.document["findings"]
    assert CANARY not in answer.out


def test_unknown_options_and_extra_words_are_refused(run: Run, place: Path, memory_id: str) -> None:
    before = stored(place)
    for verb in TABLE:
        for extra in ([f"--{CANARY}"], [f"--surprise={CANARY}"], ["--", *[CANARY] * 9]):
            answer = run(*verb.split(), "--json", *extra)
            assert (answer.code, said(answer)) == (2, "usage"), (verb, extra)
            assert CANARY not in answer.err
    assert stored(place) == before
