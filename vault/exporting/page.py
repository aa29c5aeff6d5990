"""The page of an export that people read: one HTML file, complete in itself, without a script, fit to be printed.

Everything that comes from the vault is escaped, and the page's own policy lets nothing run and nothing be fetched: what
somebody once typed into a memory is shown as it was typed. It is written line by line, from the files it explains.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from html import escape
from typing import Any, Final

from vault.exporting.files import ACCESS, MEMORIES, TOKENS

Write = Callable[[str], None]
Lines = Callable[[str], Iterable[Mapping[str, Any]]]

_STYLE: Final = """
:root { color-scheme: light; }
body { font: 16px/1.5 system-ui, "Segoe UI", "DejaVu Sans", sans-serif; color: #1b1f23; background: #fff;
  max-width: 60rem; margin: 0 auto; padding: 2rem 1.25rem 4rem; }
h1 { font-size: 1.7rem; line-height: 1.25; margin: 0 0 .25rem; }
h2 { font-size: 1.3rem; margin: 2.5rem 0 .75rem; padding-bottom: .25rem; border-bottom: 2px solid #1b6e6a; }
h3 { font-size: 1rem; margin: 0; }
p, ul { margin: .5rem 0; }
.lead, .facts, caption { color: #4a5560; }
a { color: #125e5a; }
.say { white-space: pre-wrap; overflow-wrap: anywhere; unicode-bidi: isolate; margin: .4rem 0; }
article { border: 1px solid #cfd6dc; border-radius: 6px; padding: .8rem 1rem; margin: .8rem 0; }
article.gone { background: #f6f7f8; }
.facts { font-size: .85rem; margin: .2rem 0; overflow-wrap: anywhere; }
ol.steps { margin: .5rem 0 0; padding-left: 1.4rem; font-size: .9rem; }
table { border-collapse: collapse; width: 100%; font-size: .88rem; }
caption { text-align: left; padding: 0 0 .4rem; }
th, td { text-align: left; vertical-align: top; padding: .3rem .6rem .3rem 0; border-bottom: 1px solid #dfe4e8;
  overflow-wrap: anywhere; }
th.number, td.number { text-align: right; padding-right: 1.4rem; }
th.who { min-width: 7.5rem; }
time { white-space: nowrap; }
nav ul { display: flex; flex-wrap: wrap; gap: .2rem 1.4rem; list-style: none; padding: 0; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .15rem 1rem; margin: .75rem 0; }
dt { color: #4a5560; }
dd { margin: 0; overflow-wrap: anywhere; }
.note { border-left: 4px solid #b7791f; padding: .3rem .9rem; background: #fdf8ee; }
@page { margin: 18mm 16mm; }
@media print {
  body { font-size: 10pt; max-width: none; padding: 0; }
  table { font-size: 8.5pt; }
  nav { display: none; }
  h2, h3 { break-after: avoid; }
  article, tr { break-inside: avoid; }
  a { color: inherit; text-decoration: none; }
}
"""
_POLICY: Final = (
    "default-src 'none'; base-uri 'none'; form-action 'none'; style-src 'sha256-"
    + base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
    + "'"
)
_SECTIONS: Final = {
    "about": "About this copy",
    "memories": "Memories",
    "tokens": "Values that were taken out",
    "log": "Who saw or changed it",
    "not-included": "What is not in it",
    "files": "The files",
}
_EVENTS: Final = {
    "ADD": "Stored",
    "UPDATE": "Changed",
    "REDACT": "Redacted",
    "DELETE": "Deleted",
    "EXPIRE": "Removed when its time was over,",
}
_SCOPES: Final = {"agent_id": "agent", "app_id": "application", "run_id": "conversation"}


def write_page(summary: Mapping[str, Any], lines: Lines, write: Write) -> None:
    """The whole page: `summary` is export.json, `lines` gives the objects of a file of JSON Lines."""
    _head(summary, write)
    _about(summary, write)
    _memories(lines(MEMORIES), write)
    _tokens(summary, lines(TOKENS), write)
    _log(summary, lines(ACCESS), write)
    _rest(summary, write)
    write("</main>\n</body>\n</html>\n")


def _text(value: object) -> str:
    return escape(str(value), quote=True)


def _when(at: str) -> str:
    """A time for people, and exactly for machines."""
    return f'<time datetime="{_text(at)}">{_text(at[:10])} {_text(at[11:16])}</time>'


def _say(text: str) -> str:
    """Stored text in a box of its own: its direction, its line ends and its control of direction stay inside."""
    return f'<p class="say" dir="auto">{_text(text)}</p>\n'


def _section(name: str) -> str:
    return f'<section aria-labelledby="{name}">\n<h2 id="{name}">{_SECTIONS[name]}</h2>\n'


def _head(summary: Mapping[str, Any], write: Write) -> None:
    person, made_at = summary["subject"]["user_id"], summary["made_at"]
    links = "".join(f'<li><a href="#{name}">{title}</a></li>' for name, title in _SECTIONS.items())
    write(
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_text(_POLICY)}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="referrer" content="no-referrer">\n<meta name="robots" content="noindex">\n'
        f"<title>What is held about {_text(person)}, {_text(made_at[:10])}</title>\n<style>{_STYLE}</style>\n"
        f"</head>\n<body>\n<header>\n<h1>What is held about <bdi>{_text(person)}</bdi></h1>\n"
        f'<p class="lead">A copy of the personal data in the memory vault of <bdi>{_text(summary["tenant"])}</bdi>, '
        f'made on {_when(made_at)} UTC.</p>\n</header>\n<nav aria-label="Contents"><ul>{links}</ul></nav>\n<main>\n'
    )


def _about(summary: Mapping[str, Any], write: Write) -> None:
    counts, made_by, policy = summary["counts"], summary["made_by"], summary["policy"]
    facts = {
        "Person": f"<bdi>{_text(summary['subject']['user_id'])}</bdi>",
        **_other_ids(summary["subject"]),
        "Memories": f"{counts['memories']}, and {counts['deleted']} that were deleted",
        "Versions in their history": f"{counts['versions']}",
        "Entries of the log": f"{counts['log_entries']}",
        "Values put back": _counted(summary["revealed"])
        if summary["revealed"] is not None
        else "not asked for",
        "Values that stay hidden": _counted(summary["withheld"])
        if summary["revealed"] is not None
        else "all",
        "Made by": f"<bdi>{_text(made_by['actor'])}</bdi>{_in_brackets(made_by['roles'])}, for this purpose: "
        f"{_text(summary['purposes'].get(made_by['purpose'], made_by['purpose']))}",
        "Rules in force": f"{_text(policy['name'])} {_text(policy['version'])}",
    }
    write(_section("about"))
    write(
        "<dl>\n" + "".join(f"<dt>{name}</dt><dd>{value}</dd>\n" for name, value in facts.items()) + "</dl>\n"
    )
    if not summary["complete"]:
        changes = "".join(
            f"<li>{_when(c['at'])} UTC: {_text(c['action'])}, {_text(c['count'])}</li>"
            for c in summary["changes"]
        )
        write(
            '<div class="note"><p>While this copy was made, the data changed. Each memory is as it was when it was '
            f"read.</p><ul>{changes}</ul></div>\n"
        )
    write(
        "<p>In the texts, a word in square brackets such as <code>[EMAIL:k7q2m9]</code> stands for a value that was "
        "taken out when the text was stored; the same word always stands for the same value. <code>[~</code> begins "
        "what somebody typed that only looks like that. All times are UTC.</p>\n</section>\n"
    )


def _other_ids(subject: Mapping[str, Any]) -> dict[str, str]:
    others = [one["id"] for one in subject["ids"] if one["id"] != subject["user_id"]]
    return {"Also stored under": ", ".join(f"<bdi>{_text(one)}</bdi>" for one in others)} if others else {}


def _in_brackets(roles: Iterable[str]) -> str:
    words = ", ".join(map(_text, roles))
    return f" ({words})" if words else ""


def _counted(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{_text(count)} {_text(name)}" for name, count in counts.items()) or "none"


# --- memories ------------------------------------------------------------------------------------------------------


def _memories(memories: Iterable[Mapping[str, Any]], write: Write) -> None:
    write(_section("memories"))
    empty = True
    for number, memory in enumerate(memories, 1):
        empty = False
        _memory(number, memory, write)
    write("<p>None.</p>\n</section>\n" if empty else "</section>\n")


def _memory(number: int, memory: Mapping[str, Any], write: Write) -> None:
    gone = memory["deleted"]
    state = ", deleted" if gone else ", expired: hidden, and deleted soon" if memory["expired"] else ""
    write(f"<article{' class=' + chr(34) + 'gone' + chr(34) if gone else ''}>\n")
    write(f"<h3>{number}. Stored {_when(memory['created_at'])}{state}</h3>\n")
    if memory["text"] is not None:
        said_by = " ".join(str(memory[part]) for part in ("role", "name") if memory[part])
        if said_by:
            write(f'<p class="facts">Said by <bdi>{_text(said_by)}</bdi></p>\n')
        write(_say(memory["text"]))
    facts = [f"id {_text(memory['id'])}", f"version {_text(memory['version'])}"]
    facts += [f"{word} <bdi>{_text(memory[key])}</bdi>" for key, word in _SCOPES.items() if memory[key]]
    if memory["updated_at"] != memory["created_at"]:
        facts.append(f"last changed {_when(memory['updated_at'])}")
    if memory["expires_at"] is not None:
        facts.append(f"expires {_when(memory['expires_at'])}")
    write(f'<p class="facts">{", ".join(facts)}</p>\n')
    if memory["metadata"]:
        write(_metadata(memory["metadata"]))
    steps = memory["history"]
    if len(steps) > 1 or gone:
        write('<ol class="steps">\n' + "".join(_step(step) for step in steps) + "</ol>\n")
    write("</article>\n")


def _metadata(metadata: Mapping[str, Any]) -> str:
    rows = "".join(
        f'<dt><bdi>{_text(key)}</bdi></dt><dd dir="auto">{_text(_plain(value))}</dd>\n'
        for key, value in metadata.items()
    )
    return f'<dl class="facts">\n{rows}</dl>\n'


def _plain(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _step(step: Mapping[str, Any]) -> str:
    why = f": <bdi>{_text(step['reason'])}</bdi>" if step["reason"] else ""
    what = _EVENTS.get(step["event"], _text(step["event"]))
    who = f"{what} on {_when(step['at'])} by <bdi>{_text(step['actor'])}</bdi>{why}"
    older = _say(step["text"]) if "text" in step else ""
    return f"<li>{who}{older}{_metadata(step['metadata']) if step.get('metadata') else ''}</li>\n"


# --- tables --------------------------------------------------------------------------------------------------------


def _table(caption: str, columns: Mapping[str, str], rows: Iterable[str], write: Write) -> None:
    """A table whose head is repeated on every printed page; nothing but a sentence where it has no row."""
    empty = True
    for row in rows:
        if empty:
            heads = "".join(f'<th scope="col"{kind}>{name}</th>' for name, kind in columns.items())
            write(f"<table>\n<caption>{caption}</caption>\n<thead><tr>{heads}</tr></thead>\n<tbody>\n")
            empty = False
        write(row)
    write("<p>None.</p>\n" if empty else "</tbody>\n</table>\n")


_RIGHT: Final = ' class="number"'
_WIDE: Final = ' class="who"'


def _tokens(summary: Mapping[str, Any], tokens: Iterable[Mapping[str, Any]], write: Write) -> None:
    shown = summary["revealed"] is not None

    def row(token: Mapping[str, Any]) -> str:
        value = f"<bdi>{_text(token['value'])}</bdi>" if "value" in token else "stays hidden"
        last = f'<td dir="auto">{value}</td>' if shown else ""
        return (
            f"<tr><td>{_text(token['token'])}</td><td>{_text(token['class'])}</td>"
            f"<td{_RIGHT}>{_text(token['uses'])}</td>{last}</tr>\n"
        )

    columns = {"In the text": "", "Kind of value": "", "Uses": _RIGHT, **({"Value": ""} if shown else {})}
    write(_section("tokens"))
    _table("What stands for a value, and how often it is used.", columns, map(row, tokens), write)
    write("</section>\n")


def _log(summary: Mapping[str, Any], entries: Iterable[Mapping[str, Any]], write: Write) -> None:
    actions, purposes = summary["actions"], summary["purposes"]

    def row(entry: Mapping[str, Any]) -> str:
        who = f"<bdi>{_text(entry['actor'] or 'not known any more')}</bdi>{_in_brackets(entry['roles'])}"
        why = _text(purposes.get(entry["purpose"], entry["purpose"]))
        if entry["reason"]:
            why += f": <bdi>{_text(entry['reason'])}</bdi>"
        what = _text(actions.get(entry["action"], entry["action"]))
        if entry["result"] != "ok":
            what += f" ({_text(entry['result'].replace('_', ' '))})"
        if entry.get("classes"):
            what += f": {_counted(entry['classes'])}"
        return (
            f"<tr><td>{_when(entry['at'])}</td><td>{what}</td><td{_RIGHT}>{_text(entry['count'])}</td>"
            f"<td>{who}</td><td>{why}</td></tr>\n"
        )

    columns = {"When (UTC)": "", "What": "", "Number": _RIGHT, "Who": _WIDE, "Why": ""}
    write(_section("log"))
    _table("The log's entries about this person, oldest first.", columns, map(row, entries), write)
    write("</section>\n")


def _rest(summary: Mapping[str, Any], write: Write) -> None:
    write(_section("not-included") + "<ul>\n")
    write(
        "".join(f"<li>{_text(sentence)}</li>\n" for sentence in summary["not_included"])
        + "</ul>\n</section>\n"
    )
    names = "".join(
        f"<li><code>{_text(one['name'])}</code>: {_text(one['lines'])} lines</li>\n"
        for one in summary["files"]
    )
    write(
        f"{_section('files')}<p>The same for machines, as JSON, described by <code>schema.json</code>:</p>\n<ul>\n"
        f"{names}<li><code>export.json</code>: what this copy is, what is in it and what is not</li>\n"
        "<li><code>manifest.json</code>: the size and the SHA-256 of every file</li>\n</ul>\n</section>\n"
    )
