"""The verbs that make and run a vault: init, demo, tenants, keys, log, index. They act as the operator by default."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, cast

import typer

from vault.cli import evidence, output, parsing
from vault.cli.inspecting import PANEL
from vault.cli.verbs import AUDITOR, Call, Function, verb

if TYPE_CHECKING:
    from rich.console import Console

    from vault.flows.upkeep import Seen

START: Final = "Start here"


def register(app: typer.Typer) -> None:
    verb(app, "init", panel=START)(init)
    verb(app, "demo", panel=START)(demo)
    nouns: dict[str, tuple[str, dict[str, Function]]] = {
        "tenant": ("Tenants: list, create.", {"list": tenant_list, "create": tenant_create}),
        "keys": (
            "Keys: state, rotation, backup.",
            {"status": keys_status, "rotate": keys_rotate, "backup": keys_backup, "verify": keys_verify},
        ),
        "audit": (
            "The log: verify, read, sign, export.",
            {
                "verify": audit_verify,
                "show": audit_show,
                "checkpoint": audit_checkpoint,
                "export": audit_export,
            },
        ),
        "index": (
            "The index, and what has expired.",
            {
                "status": index_status,
                "verify": index_verify,
                "rebuild": index_rebuild,
                "move": index_move,
                "sweep": index_sweep,
            },
        ),
    }
    for noun, (help_text, verbs) in nouns.items():
        group = typer.Typer(no_args_is_help=True, help=help_text)
        for name, function in verbs.items():
            verb(group, name)(function)
        app.add_typer(group, name=noun, rich_help_panel=PANEL)


def init(
    call: Call,
    folder: Annotated[
        Path | None, typer.Argument(metavar="FOLDER", help="Where to make it; default: --vault, else here.")
    ] = None,
    key_folder: Annotated[
        Path | None,
        typer.Option("--key-folder", metavar="FOLDER", help="Where the key file goes, outside the vault."),
    ] = None,
    passphrase: Annotated[
        str | None,
        typer.Option(
            "--passphrase",
            metavar="REF",
            help="Wrap the key with a passphrase: env:NAME or file:PATH, never the passphrase itself.",
        ),
    ] = None,
    keystore_backup: Annotated[
        str | None,
        typer.Option("--keystore-backup", metavar="FOLDER", help="Where keystore backups go, or none."),
    ] = None,
    explicit_tenants: Annotated[
        bool,
        typer.Option("--explicit-tenants", help="Only `tenant create` makes tenants, not their first use."),
    ] = False,
    pkcs11_module: Annotated[
        str | None,
        typer.Option(
            "--pkcs11-module",
            metavar="PATH",
            help="Make the key on a PKCS#11 token: the module of its vendor.",
        ),
    ] = None,
    pkcs11_token: Annotated[
        str | None,
        typer.Option("--pkcs11-token", metavar="LABEL", help="The token's label, or serial:NUMBER."),
    ] = None,
    pkcs11_pin: Annotated[
        str | None,
        typer.Option(
            "--pkcs11-pin",
            metavar="REF",
            help="The token's user PIN: env:NAME or file:PATH, never the PIN itself.",
        ),
    ] = None,
) -> None:
    """Make a vault: its folder, its key, its configuration, and the first tenant (--tenant, default `default`)."""
    from vault.session import Vault

    place = folder or call.asked.vault or Path.cwd()
    name = call.asked.tenant if call.asked.tenant is not None else "default"
    with Vault.init(
        place,
        key_folder=key_folder,
        passphrase=passphrase,
        keystore_backup=keystore_backup,
        explicit_tenants=explicit_tenants,
        pkcs11_module=pkcs11_module,
        pkcs11_token=pkcs11_token,
        pkcs11_pin=pkcs11_pin,
    ) as vault:
        made = Call(type(call.asked)(vault=place, tenant=name))
        admin = vault.admin(made.principal(vault, "operator"))
        admin.create_tenant(name)
        keys = made.config.keys
        backup = keys.backup
        if backup != "none":
            admin.keys_backup()
        policy = made.policy()
    facts = {
        "vault": str(place.absolute()),
        "configuration": str(place.absolute() / "memvault.toml"),
        **(
            {"key_folder": keys.provider.removeprefix("file:")}
            if keys.pkcs11 is None
            else {"key_token": keys.pkcs11.token, "key_id": keys.pkcs11.vault_id}
        ),
        "keystore_backups": backup,
        "tenant": name,
        "policy": f"{policy.name} {policy.version}",
        "disclaimer": policy.disclaimer,
    }
    call.out.show(facts, lambda screen: _made(screen, facts, place))


def _made(screen: Console, facts: dict[str, str], place: Path) -> None:
    output.facts(screen, facts)
    screen.print()
    place_of_key, advice = (
        ("key folder", "Copy it to a safe place now, apart from any backup of the vault.")
        if "key_folder" in facts
        else ("token or its PIN", "How the token is backed up is its vendor's matter; see to it now.")
    )
    output.line(
        screen,
        (
            f"Whoever loses the {place_of_key} loses everything in the vault: there is no second way in.",
            "bold yellow",
        ),
    )
    output.line(screen, f"{advice} Then try:")
    output.line(
        screen, (f"  echo 'Allergic to penicillin' | memvault --vault {place} add --user pat-42", "cyan")
    )
    output.line(screen, (f"  memvault --vault {place} search --user pat-42 'which drugs to avoid?'", "cyan"))


def demo(
    call: Call,
    keep: Annotated[
        Path | None,
        typer.Option("--keep", metavar="FOLDER", help="Keep the demo's vaults and keys in this new folder."),
    ] = None,
) -> None:
    """Show a vault at work: a clinic and a bank, invented, go through everything for real in a temporary folder."""
    from vault.cli import demo as show

    show.run(call.out, keep)


# --- tenants -----------------------------------------------------------------------------------------------------


def tenant_list(call: Call) -> None:
    """List the tenants by name."""
    with call.admin("tenant.list") as admin:
        tenants = admin.tenants()

    def draw(screen: Console) -> None:
        for tenant in tenants:
            erased = "  erased; its log and its name stay" if tenant.erased else ""
            output.line(screen, output.when(tenant.created_at), "  ", (tenant.name, "bold"), erased)

    call.out.show({"tenants": tenants}, draw)


def tenant_create(
    call: Call, name: Annotated[str, typer.Argument(metavar="NAME", help="Name of the tenant.")]
) -> None:
    """Create a tenant."""
    with call.admin("tenant.create") as admin:
        made = admin.create_tenant(name)
    call.out.show(made, lambda screen: output.line(screen, "created ", (made.name, "bold")))


# --- keys --------------------------------------------------------------------------------------------------------


def keys_status(call: Call) -> None:
    """Show provider, epoch, versions of the tenant's keys and the newest backup; never key material."""
    with call.admin("keys.status") as admin:
        facts = admin.keys_status()
    _facts(call, facts)


def keys_rotate(
    call: Call,
    level: Annotated[
        str,
        typer.Argument(
            metavar="LEVEL", help="root, tenant, subject, records, index, log, audit, ids or detail."
        ),
    ],
    keep_old: Annotated[
        bool, typer.Option("--keep-old", help="root: do not destroy the old epoch; old backups still open.")
    ] = False,
) -> None:
    """Replace keys, while the vault is in use.

    root: a new epoch and keystore, the old epoch's secret is destroyed. tenant: the key that wraps the tenant's keys.
    subject: every person's data key, everything is sealed again. records: the key of the tenant's file.
    index: keys of scope tags and references. log: the key of the chain. audit: the signing key.
    ids: the key of new memory ids. detail: the key of details without a subject.
    """
    with call.admin("keys.rotate") as admin, call.out.progress(f"rotating {level}") as progress:
        facts = admin.keys_rotate(level, keep_old=keep_old, progress=progress)
    _facts(call, facts)


def keys_backup(call: Call) -> None:
    """Copy the keystore to its backup folder, and verify the copy."""
    with call.admin("keys.backup") as admin:
        facts = admin.keys_backup()
    _facts(call, facts)


def keys_verify(call: Call) -> None:
    """Unwrap every key of the keystore and of its newest backup."""
    with call.admin("keys.verify") as admin:
        facts = admin.keys_verify()
    _facts(call, facts)


def _facts(call: Call, facts: dict[str, Any]) -> None:
    call.out.show(facts, lambda screen: output.facts(screen, facts))


# --- log ---------------------------------------------------------------------------------------------------------


def audit_verify(
    call: Call,
    since: Annotated[
        list[Path] | None,
        typer.Option("--since", metavar="FILE", help="A checkpoint kept elsewhere; may be repeated."),
    ] = None,
) -> None:
    """Check the tenant's whole log, every checkpoint, and every record; exit code 7 at the first break."""
    kept = evidence.kept(since)
    with call.admin("audit.verify") as admin:
        facts = admin.audit_verify(since=kept)
    _facts(call, facts)


def audit_show(
    call: Call,
    user_id: Annotated[
        str | None, typer.Option("--user-id", metavar="ID", help="Only about this person (or --user).")
    ] = None,
    since: Annotated[
        str | None,
        typer.Option("--since", metavar="WHEN", help="ISO 8601 time (UTC), or a span back: 12h, 30d, 4w."),
    ] = None,
    limit: Annotated[int, typer.Option("--limit", help="At most so many entries, the newest.")] = 1_000,
) -> None:
    """Show who saw or changed what, when, and for what purpose. Acts as the auditor; reading the log is logged."""
    start = parsing.since(since)
    person = user_id if user_id is not None else call.asked.user
    with call.admin("audit.show", AUDITOR) as admin:
        entries = admin.audit_show(user_id=person, since=start, limit=limit)
    call.out.show({"entries": entries}, lambda screen: _entries(screen, entries))


def _entries(screen: Console, entries: list[Seen]) -> None:
    table = output.table(
        "when (UTC)", "who", "action", "purpose", "result", "n", "about", "why", right=("n",)
    )
    for seen in entries:
        who = f"{seen.actor or '(gone)'} {' '.join(seen.roles)}".strip()
        at = seen.at[:19].replace("T", " ")
        table.add_row(
            *output.cells(
                at, who, seen.action, seen.purpose, seen.result, seen.count, seen.about, seen.reason
            )
        )
    screen.print(table)


def audit_checkpoint(
    call: Call,
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="FILE", help="A new file for it, or a folder of such files."),
    ] = None,
) -> None:
    """Sign the log's head now and print the note: keep it where the operator of the vault cannot write."""
    with call.admin("audit.checkpoint") as admin:
        note = admin.audit_checkpoint()
    facts = {"checkpoint": note}
    if out is not None:
        facts["file"] = str(evidence.keep_checkpoint(note, out))
    call.out.show(
        facts, lambda screen: screen.out(facts.get("file", note), end="\n" if out else "", highlight=False)
    )


def audit_export(
    call: Call,
    to: Annotated[
        str, typer.Option("--to", metavar="FILE", help="A new file outside the vault, or - for the output.")
    ] = "-",
    form: Annotated[
        str, typer.Option("--format", metavar="FORMAT", help="jsonl: entries as they are hashed; or ocsf.")
    ] = "jsonl",
    since: Annotated[
        str | None,
        typer.Option("--since", metavar="WHEN", help="ISO 8601 time (UTC), or a span back: 12h, 30d, 4w."),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on at the end of FILE, where it is there already.")
    ] = False,
    cursor: Annotated[
        Path | None,
        typer.Option("--cursor", metavar="FILE", help="Go on where this file says, and keep it up to date."),
    ] = None,
) -> None:
    """Write the log for a collector of logs: entries and the signed checkpoints that cover them, a line each.

    Acts as the auditor; handing out the log is logged. No line names a person or holds a text.
    """
    start = parsing.since(since)
    place: Any = sys.stdout.buffer if to == "-" else to
    with call.admin("audit.export", AUDITOR) as admin, call.out.progress("exporting") as progress:
        facts = admin.audit_export(
            place, format=cast("Any", form), since=start, resume=resume, cursor=cursor, progress=progress
        )
    if to != "-":
        _facts(call, facts)


# --- index -------------------------------------------------------------------------------------------------------


def index_status(call: Call) -> None:
    """Show the tenant's index: the one in use, the one configured, what waits for it, embedder, memories."""
    with call.admin("index.verify") as admin:
        facts = admin.index_status()
    _facts(call, facts)


def index_verify(call: Call) -> None:
    """Compare every entry of the index with what its memory would give now; exit code 5 when some are stale."""
    with call.admin("index.verify") as admin:
        facts = admin.index_verify()
    _facts(call, facts)
    if facts["stale"] or facts.get("missing") or facts.get("surplus"):
        raise typer.Exit(5)


def index_rebuild(call: Call) -> None:
    """Embed every memory of the tenant again."""
    with call.admin("index.rebuild") as admin, call.out.progress("embedding") as progress:
        done = admin.index_rebuild(progress=progress)
    _facts(call, {"rebuilt": done})


def index_move(call: Call) -> None:
    """Bring the tenant to the index that the configuration names: it is built and compared, then searched."""
    with call.admin("index.move") as admin, call.out.progress("moving") as progress:
        facts = admin.index_move(progress=progress)
    _facts(call, facts)


def index_sweep(
    call: Call,
    execute: Annotated[
        bool, typer.Option("--execute", help="Really delete; without it they are only counted.")
    ] = False,
) -> None:
    """Really delete the memories whose time has passed. Counts them only, unless told to --execute."""
    with call.admin("memory.expire") as admin, call.out.progress("sweeping") as progress:
        count = admin.sweep(dry_run=not execute, progress=progress)
    facts = {"deleted": count} if execute else {"deleted": 0, "would_delete": count}
    sentence = (
        f"deleted {count}" if execute else f"{count} would be deleted; nothing was. Repeat with --execute."
    )
    call.out.show(facts, lambda screen: output.line(screen, sentence))
