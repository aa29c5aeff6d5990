"""`memvault request`: rights requests, from the person's wish to the certificate. Acts as the privacy role."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from vault.cli import output, parsing
from vault.cli.exports import PANEL
from vault.cli.papers import new_file
from vault.cli.verbs import OPERATOR, PRIVACY, Call, Function, verb
from vault.errors import DeniedError

if TYPE_CHECKING:
    from rich.console import Console

    from vault.flows.erasing.asked import ErasureResult, RequestInfo
    from vault.flows.erasing.roll import Rolled
    from vault.session import Session

OVERDUE: Final = 8

IdArgument = Annotated[str, typer.Argument(metavar="REQUEST", help="Id of a request.")]
ExecuteOption = Annotated[
    bool, typer.Option("--execute", help="Really do it; without it, only show what would be done.")
]


def register(app: typer.Typer) -> None:
    group = typer.Typer(no_args_is_help=True, help="Rights requests: erase, and prove it.")
    for name, function in _VERBS.items():
        verb(group, name)(function)
    app.add_typer(group, name="request", rich_help_panel=PANEL)


@contextmanager
def _session(call: Call, *, tenant: bool = False) -> Iterator[Session]:
    """A session that may erase; a denial says how the erasure of a whole tenant is asked for too."""
    who, action = (OPERATOR, "tenant.erase") if tenant else (PRIVACY, "subject.erase")
    try:
        with call.session(action, scoped=True, who=who) as session:
            yield session
    except DeniedError as error:
        if tenant or not error.code.startswith("policy."):
            raise
        hint = f"{error.message} (what erases a tenant, with --role {OPERATOR[0]} --purpose {OPERATOR[1]})"
        raise type(error)(error.code, hint) from None


def person_of(call: Call, user_id: str | None) -> str | None:
    """Whose: the option, `-` for standard input; else --user."""
    given = user_id if user_id is not None else call.asked.user
    return parsing.text("-", None) if given == "-" else given


# --- from the wish to the preview ------------------------------------------------------------------------------------


def open_(
    call: Call,
    ground: Annotated[
        str, typer.Option("--ground", metavar="GROUND", help="Why, as the pack names it: gdpr.17.1.b.")
    ],
    user_id: Annotated[
        str | None,
        typer.Option("--user-id", metavar="ID", help="A person, - to read the id (or --user)."),
    ] = None,
    agent_id: Annotated[
        str | None, typer.Option("--agent-id", metavar="ID", help="What carries this agent.")
    ] = None,
    app_id: Annotated[
        str | None, typer.Option("--app-id", metavar="ID", help="What carries this app.")
    ] = None,
    run_id: Annotated[
        str | None, typer.Option("--run-id", metavar="ID", help="What carries this run.")
    ] = None,
    memory_id: Annotated[
        list[str] | None, typer.Option("--memory-id", metavar="ID", help="A memory; may be repeated.")
    ] = None,
    expired: Annotated[bool, typer.Option("--expired", help="What is past its time.")] = False,
    tenant_erasure: Annotated[
        bool, typer.Option("--tenant-erasure", help="Everything of everybody in the tenant.")
    ] = False,
    kind: Annotated[str, typer.Option("--type", metavar="TYPE", help="What is asked for.")] = "erasure",
) -> None:
    """Take a request in. Nothing is looked for or changed yet; that it was asked for is in the log."""
    ids = {"user_id": person_of(call, user_id), "agent_id": agent_id, "app_id": app_id, "run_id": run_id}
    with _session(call, tenant=tenant_erasure) as session:
        made = session.requests.open(
            type=kind,
            ground=ground,
            **ids,
            memory_ids=memory_id or None,
            tenant=tenant_erasure,
            expired=expired,
        )
        found = made.info()
    _show(call, found, f"Next: memvault request preview {found.id}")


def preview(call: Call, request_id: IdArgument) -> None:
    """Count what would go, and freeze it: approvals and the erasure are about exactly this."""
    with _session(call) as session:
        found = session.requests.get(request_id).preview()
    _show(call, found, f"Next: {_next(found)}")


def approve(
    call: Call,
    request_id: IdArgument,
    digest: Annotated[
        str, typer.Option("--digest", metavar="HEX", help="The digest of the preview you agree to.")
    ],
) -> None:
    """Agree to a preview, as another person than the one who asked."""
    with call.session("erasure.approve", scoped=True, who=PRIVACY) as session:
        found = session.requests.get(request_id).approve(digest)
    _show(call, found, f"Next: {_next(found)}")


def cancel(call: Call, request_id: IdArgument) -> None:
    """Give a request up before it runs."""
    with _session(call) as session:
        found = session.requests.get(request_id).cancel()
    _show(call, found)


def _next(found: RequestInfo) -> str:
    if found.approvals_needed > len(found.approvals):
        return f"another person: memvault request approve {found.id} --digest {found.digest}"
    return f"memvault request run {found.id} --execute"


# --- run, roll, certificate ------------------------------------------------------------------------------------------


def run(
    call: Call,
    request_id: IdArgument,
    execute: ExecuteOption = False,
    roll_now: Annotated[
        bool, typer.Option("--roll", help="Make it unreadable in backups at once, not with the next roll.")
    ] = False,
    opening: Annotated[
        Path | None,
        typer.Option(
            "--opening",
            metavar="FILE",
            help="A new file for the person alone, given out once: it shows that the certificate is theirs.",
        ),
    ] = None,
) -> None:
    """Erase what was previewed; cut off, repeat it. Shows only what would go, unless told to --execute."""
    if not execute:
        with _session(call) as session:
            found = session.requests.get(request_id).info()
        _show(call, found, "Nothing was erased. Repeat with --execute, and --opening FILE for the person.")
        return
    with _session(call) as session, new_file(opening, "--opening") as write:
        done = session.requests.get(request_id).run(roll=True if roll_now else None)
        if done.opening is not None:
            write(done.opening)
    kept = done.opening is not None and opening is not None
    document = {
        "id": done.id,
        "state": done.state,
        "removed": done.removed,
        "withheld": done.withheld,
        "roll_due": done.roll_due,
        "opening": str(opening) if kept else None,
    }
    call.out.show(document, lambda screen: _ran(screen, document, done, kept=kept))


def _ran(screen: Console, document: dict[str, Any], done: ErasureResult, *, kept: bool) -> None:
    output.facts(screen, {name: value for name, value in document.items() if value not in (None, (), {})})
    if done.opening is not None and not kept:
        output.line(
            screen, ("no --opening FILE: nobody can show whom the certificate will be about", "yellow")
        )
    output.line(screen, f"Next: memvault request certificate {done.id} --out FILE")


def certificate(
    call: Call,
    request_id: IdArgument,
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help="A new file for the certificate.")],
    html: Annotated[
        Path | None, typer.Option("--html", metavar="FILE", help="A new file for a page that prints.")
    ] = None,
) -> None:
    """Search for what is left, and sign that nothing is: exit code 7 where something was found."""
    from vault.audit.certificate import statement_of
    from vault.audit.certificate_html import render

    with _session(call) as session, new_file(out, "--out") as write, new_file(html, "--html") as write_page:
        data = session.requests.get(request_id).certificate()
        write(data)
        if html is not None:
            write_page(render(data).encode())
    said = statement_of(data)["predicate"]
    facts = {"out": str(out), **({"html": str(html)} if html is not None else {})}
    facts |= {"state": said["state"], "probe": said["probe"], "issued": said["times"]["issued"]}
    call.out.show(facts, lambda screen: output.facts(screen, facts))


def roll(
    call: Call,
    execute: ExecuteOption = False,
    force: Annotated[
        bool, typer.Option("--force", help="Now, even if nothing has waited as long as the pack allows.")
    ] = False,
) -> None:
    """Make what was erased unreadable in every backup, once it waited as long as the pack allows. For cron."""
    with _session(call) as session:
        if not execute:
            waiting = [one for one in session.requests.list() if one.roll_due is not None]
            facts: dict[str, Any] = {
                "rolled": False, "waiting": len(waiting), "overdue": sum(map(_overdue, waiting)),
            }  # fmt: skip
            call.out.show(facts, lambda screen: _unrolled(screen, facts))
            return
        done = session.requests.roll(force=force)
    call.out.show(_rolled_facts(done), lambda screen: output.facts(screen, _rolled_facts(done)))


def _unrolled(screen: Console, facts: dict[str, Any]) -> None:
    output.facts(screen, facts)
    output.line(screen, "Nothing was rolled. Repeat with --execute.")


def _rolled_facts(done: Rolled | None) -> dict[str, Any]:
    if done is None:
        return {"rolled": False}
    epochs = {str(one.epoch): one.state for one in done.destroyed}
    return {
        "rolled": True, "epoch": done.epoch, "resealed": done.resealed, "held": done.held, "destroyed": epochs,
    }  # fmt: skip


# --- looking ---------------------------------------------------------------------------------------------------------


def list_(
    call: Call,
    check: Annotated[
        bool, typer.Option("--check", help="Exit code 8 when a roll is overdue: for monitoring.")
    ] = False,
) -> None:
    """List the requests of the tenant, oldest first: ids, states and deadlines, no person."""
    with _session(call) as session:
        found = session.requests.list()
    late = sum(map(_overdue, found))
    call.out.show({"requests": found, "overdue": late}, lambda screen: _table(screen, found))
    if check and late:
        raise typer.Exit(OVERDUE)


def _table(screen: Console, found: list[RequestInfo]) -> None:
    table = output.table("request", "scope", "ground", "state", "opened (UTC)", "roll due (UTC)")
    for one in found:
        due = _minute(one.roll_due) + (" OVERDUE" if _overdue(one) else "") if one.roll_due else ""
        row = (one.id, one.scope, one.ground, one.state, _minute(one.opened_at), due)
        table.add_row(*output.cells(*row))
    screen.print(table)
    if not found:
        output.line(screen, "no requests")


def show(call: Call, request_id: IdArgument) -> None:
    """Show a request: what it asks for, its preview, its approvals, its state."""
    with _session(call) as session:
        found = session.requests.get(request_id).info()
    _show(call, found)


def _overdue(found: RequestInfo) -> bool:
    return found.roll_due is not None and datetime.fromisoformat(found.roll_due) < datetime.now(UTC)


def _minute(at: str) -> str:
    return at[:16].replace("T", " ")


def _show(call: Call, found: RequestInfo, hint: str | None = None) -> None:
    document: dict[str, Any] = output.plain(found)  # type: ignore[assignment]

    def draw(screen: Console) -> None:
        facts = {name: value for name, value in document.items() if value not in (None, [], {})}
        withheld = [f"{w['count']} {w['what']} ({w['ground']}, review {w['review']})" for w in found.withheld]
        approvals = [f"{one['by']} at {_minute(one['at'])}" for one in found.approvals]
        facts |= {"withheld": withheld} if withheld else {}
        facts |= {"approvals": approvals} if approvals else {}
        output.facts(screen, facts)
        if hint is not None:
            output.line(screen, hint)

    call.out.show(found, draw)


_VERBS: Final[dict[str, Function]] = {
    "open": open_,
    "preview": preview,
    "approve": approve,
    "run": run,
    "certificate": certificate,
    "list": list_,
    "show": show,
    "cancel": cancel,
    "roll": roll,
}
