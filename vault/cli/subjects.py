"""`memvault subject`: ids of people, searches over several of them, mentions of one in the memories of others.

Acts as the privacy role.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from vault.cli import output, parsing
from vault.cli.exports import PANEL
from vault.cli.memories import (
    AgentOption,
    AppOption,
    ExplainOption,
    FilterOption,
    LimitOption,
    QueryArgument,
    RecencyOption,
    RepeatsOption,
    RunOption,
    ThresholdOption,
    show_hits,
)
from vault.cli.verbs import PRIVACY, Call, Function, verb
from vault.errors import InvalidInputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from vault.flows.people.mentions import Mentions
    from vault.flows.people.redact import RedactedMentions
    from vault.flows.people.subjects import Merged, PersonIds, Renamed

UserOption = Annotated[
    str | None,
    typer.Option(
        "--user-id", metavar="ID", help="The person, - to read the id from standard input (or --user)."
    ),
]
AliasOption = Annotated[str, typer.Option("--alias", metavar="ID", help="The other id, - to read it.")]
ReasonOption = Annotated[str | None, typer.Option("--reason", metavar="TEXT", help="Why; kept in the log.")]
ExecuteOption = Annotated[
    bool, typer.Option("--execute", help="Really do it; without it, only show what would be done.")
]
ValueFileOption = Annotated[
    Path | None,
    typer.Option("--file", metavar="FILE", help="A file with the value; standard input where missing."),
]


def register(app: typer.Typer) -> None:
    group = typer.Typer(no_args_is_help=True, help="Ids of people, searches over several, mentions.")
    for name, function in _VERBS.items():
        verb(group, name)(function)
    aliases = typer.Typer(no_args_is_help=True, help="Further ids of a person.")
    for name, function in _ALIAS_VERBS.items():
        verb(aliases, name)(function)
    group.add_typer(aliases, name="alias")
    app.add_typer(group, name="subject", rich_help_panel=PANEL)


def _given(*values: str) -> list[str]:
    """Ids as given; each `-` is the next line of standard input, so that no other user of the machine sees it."""
    if "-" not in values:
        return list(values)
    lines = iter(parsing.text("-", None).splitlines())
    found = [next(lines, "") if value == "-" else value for value in values]
    if next(lines, None) is not None:
        raise InvalidInputError("scope.lines", "standard input holds more lines than ids were asked for")
    return found


def _person(call: Call, user_id: str | None) -> str:
    person = user_id if user_id is not None else call.asked.user
    if person is None:
        raise InvalidInputError("scope.missing", "name whose id: --user-id")
    return person


# --- ids -------------------------------------------------------------------------------------------------------------


def rename(
    call: Call,
    to: Annotated[str, typer.Option("--to", metavar="ID", help="The new id, - to read it.")],
    user_id: UserOption = None,
    forget_old: Annotated[
        bool, typer.Option("--forget-old", help="The old id finds nobody any more; else it is an alias.")
    ] = False,
    reason: ReasonOption = None,
    execute: ExecuteOption = False,
) -> None:
    """Give a person another id. Memories keep theirs. Shows only what would be done, unless told to --execute."""
    old, new = _given(_person(call, user_id), to)
    with call.session("subject.rename", scoped=True, who=PRIVACY) as session:
        done = session.subjects.rename(
            old, new, keep_old_as_alias=not forget_old, reason=reason, dry_run=not execute
        )
    call.out.show(done, lambda screen: _changed(screen, done, "Nothing was renamed."))


def merge(
    call: Call,
    source: Annotated[str, typer.Option("--source", metavar="ID", help="Who is no more, - to read the id.")],
    into: Annotated[str, typer.Option("--into", metavar="ID", help="Who stays, - to read the id.")],
    reason: ReasonOption = None,
    execute: ExecuteOption = False,
) -> None:
    """Make one person of two: everything of the one becomes the other's. Cut off, repeat it.

    Shows only what would be done, unless told to --execute. There is no way back.
    """
    one, other = _given(source, into)
    with call.session("subject.merge", scoped=True, who=PRIVACY) as session:
        done = session.subjects.merge(one, other, reason=reason, dry_run=not execute)
    call.out.show(done, lambda screen: _merged(screen, done))


def _changed(screen: Console, done: Renamed | Merged, nothing: str) -> None:
    document = {name: value for name, value in _plain(done).items() if name != "done"}
    output.facts(screen, {**document, "aliases": list(done.aliases) or "none"})
    if not done.done:
        output.line(screen, f"{nothing} Repeat with --execute.")


def _merged(screen: Console, done: Merged) -> None:
    _changed(screen, done, "Nothing was merged.")
    if done.done and done.memories:
        output.line(screen, "Data backups from before hold nothing of the other id any more: make one now.")


def _plain(done: Renamed | Merged | RedactedMentions) -> dict[str, object]:
    document: dict[str, object] = output.plain(done)  # type: ignore[assignment]
    return document


def alias_add(
    call: Call, alias: AliasOption, user_id: UserOption = None, reason: ReasonOption = None
) -> None:
    """Let another id find the same person."""
    person, other = _given(_person(call, user_id), alias)
    with call.session("subject.alias", scoped=True, who=PRIVACY) as session:
        _ids(call, session.subjects.add_alias(person, other, reason=reason))


def alias_remove(
    call: Call, alias: AliasOption, user_id: UserOption = None, reason: ReasonOption = None
) -> None:
    """Take an alias from a person; the memories stay."""
    person, other = _given(_person(call, user_id), alias)
    with call.session("subject.alias", scoped=True, who=PRIVACY) as session:
        _ids(call, session.subjects.remove_alias(person, other, reason=reason))


def alias_list(call: Call, user_id: UserOption = None) -> None:
    """Show the ids of a person; any of them will do to ask."""
    (person,) = _given(_person(call, user_id))
    with call.session("subject.alias", scoped=True, who=PRIVACY) as session:
        _ids(call, session.subjects.aliases(person))


def _ids(call: Call, found: PersonIds) -> None:
    facts = {"user_id": found.user_id, "aliases": list(found.aliases) or "none"}
    call.out.show(found, lambda screen: output.facts(screen, facts))


# --- mentions --------------------------------------------------------------------------------------------------------


def mentions(
    call: Call,
    file: ValueFileOption = None,
    user_id: Annotated[
        str | None,
        typer.Option("--user-id", metavar="ID", help="Whose value it is: their own memories are left out."),
    ] = None,
    limit: Annotated[int, typer.Option("--limit", help="Name at most so many memories.")] = 100,
    people: Annotated[
        int, typer.Option("--people", help="Look into the memories of at most so many people.")
    ] = 1_000,
    cursor: Annotated[
        str | None, typer.Option("--cursor", metavar="CURSOR", help="Where the last answer ended.")
    ] = None,
) -> None:
    """Find the memories of other people that mention a name, an address or a number. Shows ids and places, no text."""
    value = parsing.text(None, file)
    own = user_id if user_id is not None else call.asked.user
    who = call.session("subject.find_mentions", scoped=True, who=PRIVACY)
    with who as session, call.out.progress("looking") as progress:
        found = session.subjects.find_mentions(
            value, user_id=own, limit=limit, people=people, cursor=cursor, progress=progress
        )
    call.out.show(found, lambda screen: _mentioned(screen, found))


def search(
    call: Call,
    query: QueryArgument = None,
    user_id: Annotated[
        list[str] | None,
        typer.Option("--user-id", metavar="ID", help="A person to look into; may be repeated."),
    ] = None,
    users: Annotated[
        Path | None, typer.Option("--users", metavar="FILE", help="A file with ids of people, one a line.")
    ] = None,
    everybody: Annotated[
        bool, typer.Option("--everybody", help="Look into everybody of the tenant, if they are not too many.")
    ] = False,
    agent: AgentOption = None,
    app: AppOption = None,
    run: RunOption = None,
    filters: FilterOption = None,
    limit: LimitOption = 10,
    threshold: ThresholdOption = 0.0,
    recency: RecencyOption = None,
    repeats: RepeatsOption = False,
    explain: ExplainOption = False,
) -> None:
    """Find memories of several people at once, best first, redacted. Each of them has it in their log."""
    named = [*(user_id or ()), *_listed(users, "--users")]
    if everybody is bool(named):
        raise InvalidInputError("scope.one", "name people (--user-id, --users) or --everybody")
    tree = parsing.json_object(filters, "--filter")
    question = parsing.text(query, None)
    with call.session("subject.search", scoped=True, who=PRIVACY) as session:
        hits = session.subjects.search(
            question,
            user_ids=None if everybody else named,
            agent_id=agent,
            app_id=app,
            run_id=run,
            filters=tree,
            limit=limit,
            threshold=threshold,
            recency=recency,
            distinct=not repeats,
            explain=explain,
        )
    call.out.show({"hits": hits}, lambda screen: show_hits(screen, hits, whose=True))


def _mentioned(screen: Console, found: Mentions) -> None:
    table = output.table("memory", "about", "where", "")
    for one in found.found:
        state = "readable" if one.clear else "token"
        table.add_row(*output.cells(one.memory_id, one.about, ", ".join(one.where), state))
    if found.found:
        screen.print(table)
    output.line(
        screen, f"{len(found.found)} of {found.memories} memories of {found.people} people mention it"
    )
    if found.next_cursor is not None:
        output.line(screen, (f"more with --cursor {found.next_cursor}", "green"))


def redact(
    call: Call,
    reason: Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why; kept in history and log.")],
    memory_id: Annotated[
        list[str] | None, typer.Argument(metavar="ID...", show_default=False, help="Ids of memories.")
    ] = None,
    ids: Annotated[
        Path | None, typer.Option("--ids", metavar="FILE", help="A file with ids of memories, one a line.")
    ] = None,
    file: ValueFileOption = None,
    entity: Annotated[
        str | None, typer.Option("--entity", metavar="CLASS", help="Redact it as this class: PERSON.")
    ] = None,
    execute: ExecuteOption = False,
) -> None:
    """Put a token in the place of a value in these memories and their history.

    Shows only what would be done, unless told to --execute.
    """
    named = [*(memory_id or ()), *_listed(ids, "--ids")]
    value = parsing.text(None, file)
    with call.session("subject.redact_mentions", scoped=True, who=PRIVACY) as session:
        done = session.subjects.redact_mentions(
            value, named, reason=reason, entity=entity, dry_run=not execute
        )
    call.out.show(done, lambda screen: _redacted(screen, done))


def _listed(path: Path | None, option: str) -> Sequence[str]:
    if path is None:
        return ()
    data = parsing.read_file(path, parsing.MOST_BYTES, option)
    return [line.strip() for line in parsing.decoded(data, "the file of ids").splitlines() if line.strip()]


def _redacted(screen: Console, done: RedactedMentions) -> None:
    output.facts(screen, {name: value for name, value in _plain(done).items() if name != "done"})
    if not done.done:
        output.line(screen, "Nothing was redacted. Repeat with --execute.")


_VERBS: Final[dict[str, Function]] = {
    "rename": rename,
    "merge": merge,
    "search": search,
    "mentions": mentions,
    "redact": redact,
}
_ALIAS_VERBS: Final[dict[str, Function]] = {"add": alias_add, "remove": alias_remove, "list": alias_list}
