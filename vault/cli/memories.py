"""The verbs on memories: each reads its arguments, calls one method of a session, and shows the answer."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from vault.cli import output, parsing
from vault.cli.verbs import Call, Function, verb
from vault.errors import InvalidInputError

if TYPE_CHECKING:
    from rich.console import Console

    from vault.session import Session
    from vault.types import AddResult, Memory, Page, Revision, SearchHit

PANEL: Final = "Memories"

TextArgument = Annotated[
    str | None,
    typer.Argument(
        metavar="TEXT",
        show_default=False,
        help="The text; standard input where missing or -. Other users of this machine can see arguments.",
    ),
]
FileOption = Annotated[Path | None, typer.Option("--file", metavar="FILE", help="Read the text from a file.")]
AgentOption = Annotated[str | None, typer.Option("--agent", metavar="ID", help="Agent id.")]
AppOption = Annotated[str | None, typer.Option("--app", metavar="ID", help="App id.")]
RunOption = Annotated[str | None, typer.Option("--run", metavar="ID", help="Run (conversation) id.")]
MetadataOption = Annotated[
    str | None, typer.Option("--metadata", metavar="JSON", help="JSON object, or @FILE with one.")
]
FilterOption = Annotated[
    str | None,
    typer.Option("--filter", metavar="JSON", help="Filter over metadata and times, or @FILE with one."),
]
QueryArgument = Annotated[
    str | None,
    typer.Argument(
        metavar="QUERY", show_default=False, help="The question; standard input where missing or -."
    ),
]
LimitOption = Annotated[int, typer.Option("--limit", help="At most so many answers.")]
ThresholdOption = Annotated[float, typer.Option("--threshold", help="Least score, 0 to 1.")]
RecencyOption = Annotated[
    float | None,
    typer.Option("--recency", metavar="DAYS", help="What was last changed so long ago counts half."),
]
RepeatsOption = Annotated[
    bool, typer.Option("--repeats", help="Show each of the memories that say the same, not one of them.")
]
ExplainOption = Annotated[bool, typer.Option("--explain", help="Show the parts of each score.")]
RevealOption = Annotated[
    str | None,
    typer.Option("--reveal", metavar="REASON", help="Show values where the role may; the reason is logged."),
]
ReasonOption = Annotated[
    str | None, typer.Option("--reason", metavar="TEXT", help="Why; kept in history and log.")
]
IdArgument = Annotated[str, typer.Argument(metavar="ID", help="Id of a memory.")]


def register(app: typer.Typer) -> None:
    for name, function in _VERBS.items():
        verb(app, name, panel=PANEL)(function)


def add(
    call: Call,
    text: TextArgument = None,
    file: FileOption = None,
    agent: AgentOption = None,
    app: AppOption = None,
    run: RunOption = None,
    metadata: MetadataOption = None,
    expires: Annotated[
        str | None,
        typer.Option("--expires", metavar="WHEN", help="ISO 8601 time (UTC), or a span: 12h, 30d, 4w."),
    ] = None,
    idempotency_key: Annotated[
        str | None,
        typer.Option(
            "--idempotency-key", metavar="KEY", help="Repeated within 24 hours, stores nothing twice."
        ),
    ] = None,
) -> None:
    """Store a text, redacted and encrypted. It is read from standard input, from --file, or from the argument."""
    options = {"metadata": parsing.json_object(metadata, "--metadata"), "expires_at": parsing.expiry(expires)}
    content = parsing.text(text, file)
    with call.session("memory.add", scoped=True) as session:
        scope = parsing.scope_ids(call.user(agent, app, run), agent, app, run)
        result = session.add(content, **scope, **options, idempotency_key=idempotency_key)  # type: ignore[arg-type]
    call.out.show(result, lambda screen: _added(screen, result))


def _added(screen: Console, result: AddResult) -> None:
    for memory in result.memories:
        output.memory(screen, memory)
    counts = ", ".join(f"{count} {entity}" for entity, count in sorted(result.redacted.items()))
    output.line(
        screen, (f"stored, redacted: {counts}" if counts else "stored; nothing to redact was found", "green")
    )


def search(
    call: Call,
    query: QueryArgument = None,
    agent: AgentOption = None,
    app: AppOption = None,
    run: RunOption = None,
    filters: FilterOption = None,
    limit: LimitOption = 10,
    threshold: ThresholdOption = 0.0,
    recency: RecencyOption = None,
    repeats: RepeatsOption = False,
    explain: ExplainOption = False,
    reveal: RevealOption = None,
) -> None:
    """Find memories of one user (agent, app, run) by meaning, by words, and by values that were redacted."""
    tree = parsing.json_object(filters, "--filter")
    question = parsing.text(query, None)
    with call.session("memory.search" if reveal is None else "memory.reveal", scoped=True) as session:
        scope = parsing.scope_ids(call.user(agent, app, run), agent, app, run)
        hits = session.search(
            question,
            **scope,
            filters=tree,
            limit=limit,
            threshold=threshold,
            recency=recency,
            distinct=not repeats,
            explain=explain,
            reveal=reveal,
        )
    call.out.show({"hits": hits}, lambda screen: show_hits(screen, hits))


def show_hits(screen: Console, hits: list[SearchHit], *, whose: bool = False) -> None:
    for hit in hits:
        output.memory(screen, hit.memory, score=hit.score, whose=whose)
        if hit.explain is not None:
            parts = ", ".join(f"{name} {value:.3f}" for name, value in hit.explain.items())
            output.line(screen, ("      " + parts, "dim"))
    if not hits:
        output.line(screen, "nothing found")


def get(call: Call, memory_id: IdArgument, reveal: RevealOption = None) -> None:
    """Show one memory."""
    with call.session("memory.get" if reveal is None else "memory.reveal") as session:
        memory = session.get(memory_id, reveal=reveal)
    _show(call, memory)


def _show(call: Call, memory: Memory) -> None:
    call.out.show(memory, partial(output.memory, found=memory))


def list_(
    call: Call,
    agent: AgentOption = None,
    app: AppOption = None,
    run: RunOption = None,
    filters: FilterOption = None,
    limit: Annotated[int, typer.Option("--limit", help="At most so many on this page.")] = 100,
    order: Annotated[
        str, typer.Option("--order", metavar="FIELD", help="created_at or updated_at; with - newest first.")
    ] = "created_at",
    cursor: Annotated[
        str | None, typer.Option("--cursor", metavar="CURSOR", help="Where the last page ended.")
    ] = None,
    reveal: RevealOption = None,
) -> None:
    """List the memories of one user (agent, app, run), a page at a time."""
    tree = parsing.json_object(filters, "--filter")
    with call.session("memory.list" if reveal is None else "memory.reveal", scoped=True) as session:
        scope = parsing.scope_ids(call.user(agent, app, run), agent, app, run)
        page = session.list(**scope, filters=tree, limit=limit, order=order, cursor=cursor, reveal=reveal)
    call.out.show(page, lambda screen: _page(screen, page))


def _page(screen: Console, page: Page) -> None:
    for memory in page.memories:
        output.memory(screen, memory)
    if page.next_cursor is not None:
        output.line(screen, (f"more with --cursor {page.next_cursor}", "green"))
    elif not page.memories:
        output.line(screen, "no memories")


def update(
    call: Call,
    memory_id: IdArgument,
    text: TextArgument = None,
    file: FileOption = None,
    metadata: MetadataOption = None,
    reason: ReasonOption = None,
) -> None:
    """Store a new version of a memory. With --metadata alone the text stays (give - to read it all the same)."""
    changed = parsing.json_object(metadata, "--metadata")
    keeps_text = changed is not None and text is None and file is None
    content = None if keeps_text else parsing.text(text, file)
    with call.session("memory.update") as session:
        memory = session.update(memory_id, content, metadata=changed, reason=reason)
    _show(call, memory)


def delete(
    call: Call,
    memory_id: IdArgument,
    reason: ReasonOption = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what would be deleted.")] = False,
) -> None:
    """Remove one memory: its text, its vector, the values of its history. Times and actors stay."""
    if dry_run:
        with call.session("memory.get") as session:
            memory = session.get(memory_id)
        call.out.show(
            {"deleted": 0, "would_delete": 1, "memory": memory}, partial(output.memory, found=memory)
        )
        return
    with call.session("memory.delete") as session:
        result = session.delete(memory_id, reason=reason)
    call.out.show(result, lambda screen: output.line(screen, f"deleted {result.deleted}"))


def delete_all(
    call: Call,
    agent: AgentOption = None,
    app: AppOption = None,
    run: RunOption = None,
    execute: Annotated[
        bool, typer.Option("--execute", help="Really delete; without it they are only counted.")
    ] = False,
) -> None:
    """Remove every memory of one user (agent, app, run). Counts them only, unless told to --execute."""
    # A configured user must not decide whose memories go: the scope is what stands on the command line.
    scope = parsing.scope_ids(call.asked.user, agent, app, run)
    if all(value is None for value in scope.values()):
        raise InvalidInputError("scope.missing", "name whose memories: --user, --agent, --app or --run")
    if execute:
        with call.session("memory.delete_all", scoped=True) as session:
            deleted = session.delete_all(**scope).deleted
        call.out.show({"deleted": deleted}, lambda screen: output.line(screen, f"deleted {deleted}"))
        return
    with call.session("memory.list", scoped=True) as session:
        count = _count(session, scope, call.config.limits.results)
    sentence = f"{count} would be deleted; nothing was. Repeat with --execute."
    call.out.show({"deleted": 0, "would_delete": count}, lambda screen: output.line(screen, sentence))


def _count(session: Session, scope: Any, page_size: int) -> int:
    count, cursor = 0, None
    while True:
        page = session.list(**scope, limit=page_size, cursor=cursor)
        count += len(page.memories)
        cursor = page.next_cursor
        if cursor is None:
            return count


def history(call: Call, memory_id: IdArgument) -> None:
    """Show every version of a memory, oldest first; after a delete only when and by whom."""
    with call.session("memory.history") as session:
        steps = session.history(memory_id)
    call.out.show({"revisions": steps}, lambda screen: _steps(screen, steps))


def _steps(screen: Console, steps: Any) -> None:
    step: Revision
    for step in steps:
        why = f", {step.reason}" if step.reason else ""
        output.line(
            screen, (f"v{step.version} {step.event} ", "bold"), f"{output.when(step.at)} by {step.actor}{why}"
        )
        if step.text is not None:
            screen.print(output.stored(f"   {step.text}"), soft_wrap=True)


def reveal(
    call: Call,
    memory_id: IdArgument,
    reason: Annotated[
        str, typer.Option("--reason", metavar="TEXT", help="Why the values are needed; logged.")
    ],
) -> None:
    """Show one memory with the values its tokens stand for, as far as the role may see them."""
    with call.session("memory.reveal") as session:
        memory = session.reveal(memory_id, reason=reason)
    _show(call, memory)


_VERBS: Final[dict[str, Function]] = {
    "add": add,
    "search": search,
    "get": get,
    "list": list_,
    "update": update,
    "delete": delete,
    "delete-all": delete_all,
    "history": history,
    "reveal": reveal,
}
