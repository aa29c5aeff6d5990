"""`memvault hold`: legal holds, which win over every way of removing something. Acts as the privacy role."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vault.cli import output
from vault.cli.exports import PANEL
from vault.cli.requests import person_of
from vault.cli.verbs import PRIVACY, Call, verb
from vault.errors import InvalidInputError

if TYPE_CHECKING:
    from rich.console import Console

    from vault.flows.holds import Hold

WhyOption = Annotated[str | None, typer.Option("--reason", metavar="TEXT", help="Why; kept with the hold.")]


def register(app: typer.Typer) -> None:
    group = typer.Typer(no_args_is_help=True, help="Legal holds: nothing of the person is removed.")
    verb(group, "place")(place)
    verb(group, "release")(release)
    verb(group, "list")(list_)
    app.add_typer(group, name="hold", rich_help_panel=PANEL)


def place(
    call: Call,
    matter: Annotated[
        str, typer.Option("--matter", metavar="TEXT", help="Which case: a reference, not a story.")
    ],
    user_id: Annotated[
        str | None,
        typer.Option("--user-id", metavar="ID", help="A person, - to read the id (or --user)."),
    ] = None,
    agent_id: Annotated[
        str | None, typer.Option("--agent-id", metavar="ID", help="An agent's own memories.")
    ] = None,
    app_id: Annotated[
        str | None, typer.Option("--app-id", metavar="ID", help="An app's own memories.")
    ] = None,
    run_id: Annotated[
        str | None, typer.Option("--run-id", metavar="ID", help="A run's own memories.")
    ] = None,
    tenant_hold: Annotated[
        bool, typer.Option("--tenant-hold", help="Everything of everybody in the tenant.")
    ] = False,
    reason: WhyOption = None,
    review: Annotated[
        str | None,
        typer.Option("--review", metavar="DATE", help="When somebody looks at it again: 2027-06-30."),
    ] = None,
) -> None:
    """Hold everything about a person; somebody nothing is held about yet can be held too."""
    again = _day(review)
    person = person_of(call, user_id)
    with call.session("hold.place", scoped=True, who=PRIVACY) as session:
        made = session.holds.place(
            matter=matter,
            user_id=person,
            agent_id=agent_id,
            app_id=app_id,
            run_id=run_id,
            tenant=tenant_hold,
            reason=reason,
            review=again,
        )
    _show(call, made)


def release(
    call: Call,
    hold_id: Annotated[str, typer.Argument(metavar="HOLD", help="Id of a hold.")],
    reason: WhyOption = None,
) -> None:
    """End a hold. What waited for it can run again."""
    with call.session("hold.release", scoped=True, who=PRIVACY) as session:
        ended = session.holds.release(hold_id, reason=reason)
    _show(call, ended)


def list_(
    call: Call,
    released: Annotated[bool, typer.Option("--released", help="Those that ended, too.")] = False,
) -> None:
    """List the holds in force, oldest first. It names persons; listing is logged."""
    with call.session("hold.list", scoped=True, who=PRIVACY) as session:
        found = session.holds.list(released=released)
    call.out.show({"holds": [_plain(one) for one in found]}, lambda screen: _table(screen, found))


def _day(value: str | None) -> date | None:
    try:
        return None if value is None else date.fromisoformat(value)
    except ValueError:
        raise InvalidInputError("review.form", "--review must be a date such as 2027-06-30") from None


def _plain(hold: Hold) -> dict[str, Any]:
    document: dict[str, Any] = output.plain(hold)  # type: ignore[assignment]
    return document | {"review": hold.review.isoformat() if hold.review is not None else None}


def _show(call: Call, hold: Hold) -> None:
    document = _plain(hold)
    known = {name: value for name, value in document.items() if value is not None}
    call.out.show(document, lambda screen: output.facts(screen, known))


def _table(screen: Console, found: list[Hold]) -> None:
    table = output.table("hold", "about", "matter", "state", "placed (UTC)", "by", "review")
    for one in found:
        placed = one.placed_at[:16].replace("T", " ")
        row = (one.id, one.about or "(erased)", one.matter, one.state, placed, one.placed_by, one.review)
        table.add_row(*output.cells(*row))
    screen.print(table)
    if not found:
        output.line(screen, "no holds")
