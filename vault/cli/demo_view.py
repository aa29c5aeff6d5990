"""How the demo looks: one function per step, at most 100 columns, and readable without colour."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, Final

from rich import box
from rich.padding import Padding
from rich.panel import Panel
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from vault.cli import output

if TYPE_CHECKING:
    from rich.console import Console

Facts = dict[str, Any]

_INVISIBLE: Final = {
    "\u200b": "\\u200b",
    "\ufeff": "\\ufeff",
}  # shown, since the point is that they are there
_GOOD: Final = "bold green"
_BAD: Final = "bold red"


def screen() -> Console:
    """A console of the terminal's width, but 100 columns at most."""
    wide = output.console()
    return output.console(width=min(wide.width, output.WIDTH)) if sys.stdout.isatty() else wide


def _title(to: Console, title: str, said: str) -> None:
    to.print()
    to.print(Rule(Text(f" {title} ", "bold"), align="left", style="cyan"))
    to.print(Text(said, "dim"))
    to.print()


def _table(*columns: tuple[str, int | None]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, expand=True, header_style="bold")
    for name, width in columns:
        table.add_column(name, width=width, ratio=None if width else 1, overflow="fold")
    return table


def _visible(text: str) -> Text:
    for invisible, shown in _INVISIBLE.items():
        text = text.replace(invisible, shown)
    return Text(output.safe(text))


def _refusal(facts: Facts) -> Text:
    style = _GOOD if facts["exit_code"] else _BAD
    return Text.assemble(
        (f"exit {facts['exit_code']}", style), f"  {facts['message']} ", (f"[{facts['code']}]", "dim")
    )


def written(to: Console, facts: list[Facts]) -> None:
    _title(
        to,
        "What goes in, and what is stored",
        "Left: what was said. Right: what the vault keeps, encrypted "
        "under a key of that person. Wide letters and invisible characters do not help. Names stay: the "
        "built-in detector knows what has a form (memvault doctor says what it does not know).",
    )
    for person in facts:
        table = _table(("said", None), ("stored", None))
        for turn in person["turns"]:
            lead = "" if turn["role"] == "user" else "> "
            table.add_row(Text(lead) + _visible(turn["said"]), Text(lead) + output.stored(turn["stored"]))
        counts = ", ".join(f"{count} {entity}" for entity, count in sorted(person["redacted"].items()))
        head = f"{person['tenant']} / {person['user']}: {person['name']}, {person['who']}"
        to.print(
            Panel(
                table, title=head, title_align="left", subtitle=f"redacted: {counts}", subtitle_align="right"
            )
        )


def found(to: Console, facts: list[Facts]) -> None:
    _title(to, "Finding it again", "By meaning, by a word, and by a value of which only a token is stored.")
    table = _table(("", 10), ("question", 26), ("best answer", None), ("score", 5))
    for hit in facts:
        table.add_row(
            Text(hit["how"], "bold"),
            Text(hit["question"]),
            output.stored(hit["found"]),
            f"{hit['score']:.2f}",
        )
    to.print(table)


def attacks(to: Console, facts: Facts) -> None:
    _title(
        to,
        "Reaching across",
        "The tenant is bound by code and keys. Absent and another's get the same answer.",
    )
    table = _table(("attempt", 44), ("answer", None))
    for attempt in facts["attempts"]:
        table.add_row(Text(attempt["attempt"]), _refusal(attempt))
    table.add_row("the bank searches under the patient's id", Text(f"{facts['foreign_hits']} found", _GOOD))
    to.print(table)


def history(to: Console, facts: list[Facts]) -> None:
    _title(
        to,
        "A change, and its history",
        "Every version is kept, sealed, until the memory is deleted or erased.",
    )
    for step in facts:
        why = f", because: {step['reason']}" if step["reason"] else ""
        head = (f"v{step['version']} {step['event']:<6} ", "bold")
        to.print(Text.assemble(head, f"{output.when(step['at'])} by {step['actor']}{why}"))
        to.print(Padding(output.stored(step["text"]), (0, 0, 0, 3)))


def reveal(to: Console, facts: Facts) -> None:
    _title(
        to,
        "Who may see a value",
        "Only a role the policy names, for a purpose it names, with a reason, logged.",
    )
    table = _table(("", 24), ("", None))
    table.show_header = False
    table.add_row(Text("stored", "bold"), output.stored(facts["stored"]))
    table.add_row(Text("app, for service", "bold"), _refusal(facts["app"]))
    table.add_row(Text("staff, for treatment", "bold"), Text(output.safe(facts["staff"])))
    to.print(table)


def log(to: Console, facts: Facts) -> None:
    _title(
        to,
        "The log",
        f"Who saw the memories of {facts['user']}? Reading the log is logged as well.",
    )
    table = _table(
        ("when (UTC)", 19), ("who", 17), ("action", 15), ("purpose", 10), ("result", 7), ("why", None)
    )
    for seen in facts["entries"]:
        who = f"{seen['actor']} ({', '.join(seen['roles'])})" if seen["roles"] else str(seen["actor"])
        at = seen["at"][:19].replace("T", " ")
        row = (at, who, seen["action"], seen["purpose"], seen["result"], seen["reason"] or "")
        table.add_row(*(Text(output.safe(cell)) for cell in row))
    to.print(table)
    for tenant, counts in facts["verified"].items():
        said = f"{counts['entries']} entries, {counts['checkpoints']} signed checkpoints, {counts['records']} records"
        to.print(Text.assemble(("verified ", _GOOD), f"{tenant}: {said}"))
    to.print(
        Text("\nSigned head of the clinic's log, to keep where the vault's operator cannot write:", "dim")
    )
    for row in facts["checkpoint"].splitlines():
        output.line(to, (f"   {row if len(row) < 95 else row[:92] + '...'}", "cyan"))


def files(to: Console, facts: Facts) -> None:
    _title(
        to,
        "Where it is",
        "Every byte of every file is searched for what went in: raw, UTF-16, hex, base64.",
    )
    table = _table(("file", None), ("size", 12))
    for file in facts["files"]:
        if file["bytes"]:
            table.add_row(Text(file["path"]), output.size(file["bytes"]))
    to.print(table)
    style = _GOOD if facts["readable"] == 0 else _BAD
    to.print(
        Text.assemble(
            (f"{facts['readable']} of {facts['strings']} strings are readable", style),
            f" in these files (in the sample they come from: {facts['control']})",
        )
    )
    to.print(
        Text.assemble(
            "The key is in ",
            (facts["keys"], "bold"),
            ", apart from the data. Without it, no file opens.",
        )
    )


def tampered(to: Console, facts: Facts) -> None:
    _title(
        to, "One byte", "In a copy of the clinic's file, one bit is flipped. The copy is opened and verified."
    )
    to.print(Text.assemble(f"byte {facts['byte']:,} of {facts['bytes']:,}: ", _refusal(facts["caught"])))
    entries = facts["original"]["entries"]
    to.print(
        Text.assemble(("verified ", _GOOD), f"the original, untouched: {entries} entries and all records")
    )


def closing(to: Console, facts: Facts) -> None:
    to.print()
    to.print(
        Text(
            f"That was the whole vault, in {facts['seconds']:.1f} seconds, without a network.",
            "bold",
        )
    )
    if facts["kept"]:
        output.line(to, (f"  memvault --vault {facts['kept']}/vault status", "cyan"))
    else:
        to.print(Text("Its files are gone again; memvault demo --keep FOLDER leaves them. One of your own:"))
        output.line(to, ("  memvault init ./clinic", "cyan"))
