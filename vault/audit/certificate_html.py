"""A certificate as one page for people: printed on paper it says what it says, and where the file that proves it is.

Nothing is loaded from anywhere, every value is escaped, and a content policy forbids scripts and requests besides. The
page is a rendering: only the file verifies, and the page carries the digest that ties the two together.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Sequence
from html import escape
from typing import Any, Final

from vault.audit.certificate import statement_of

_STATES: Final = {
    "live-erased": (
        "weak",
        "Erased from the running system. Backups made before can still be read.",
    ),
    "scheduled": (
        "weak",
        "Erased from the running system. The keys of older backups are NOT destroyed yet; their end is scheduled.",
    ),
    "asserted": (
        "middle",
        "Erased, and the key file of older backups was wiped. They cannot be read unless somebody kept a copy of it.",
    ),
    "backup-proof": (
        "strong",
        "Erased, and the keys of older backups are destroyed, as the device that held them reports.",
    ),
}
_SCOPES: Final = {
    "subject": "everything held about one person",
    "memory": "single memories",
    "scope": "the memories of a run, an agent or an application",
    "tenant": "everything of one tenant",
    "expired": "memories whose time had passed",
    "redacted": "earlier texts of memories that were redacted again",
}
_STYLE: Final = """
:root { color-scheme: light; }
* { box-sizing: border-box; }
body { font: 15px/1.45 system-ui, sans-serif; color: #1b1f24; background: #fff; margin: 0 auto; padding: 2rem;
  max-width: 52rem; }
h1 { font-size: 1.5rem; margin: 0 0 .2rem; }
h2 { font-size: 1rem; margin: 1.4rem 0 .4rem; border-bottom: 1px solid #c9d1d9; padding-bottom: .2rem; }
p, ul { margin: .4rem 0; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; vertical-align: top; padding: .2rem .8rem .2rem 0; }
th { font-weight: 600; white-space: nowrap; width: 1%; }
thead th { border-bottom: 1px solid #c9d1d9; width: auto; }
code { font: .82em/1.35 ui-monospace, monospace; overflow-wrap: anywhere; }
.state { padding: .7rem 1rem; border-left: .4rem solid; margin: 1rem 0; }
.strong { border-color: #1a7f37; background: #eefbf1; }
.middle { border-color: #9a6700; background: #fff8e1; }
.weak { border-color: #cf222e; background: #fff1f0; }
.number { text-align: right; }
footer { margin-top: 1.4rem; font-size: .87em; color: #444c56; }
@page { size: A4; margin: 12mm 14mm; }
@media print { body { font-size: 8.5pt; line-height: 1.3; padding: 0; max-width: none; } h2 { margin-top: .7rem; }
  h1 { font-size: 1.3rem; } th, td { padding-top: .08rem; padding-bottom: .08rem; } .state { margin: .5rem 0; }
  tr, li, .state { break-inside: avoid; } h2 { break-after: avoid; }
  .state { print-color-adjust: exact; -webkit-print-color-adjust: exact; } }
"""
# One style sheet, named by its digest: the policy allows it and nothing else.
_POLICY: Final = "default-src 'none'; style-src 'sha256-{}'; base-uri 'none'; form-action 'none'"


def render(data: bytes) -> str:
    """The page for a certificate file. Nothing is verified here; raises VerificationError if it is no certificate."""
    predicate = statement_of(data)["predicate"]
    policy = _POLICY.format(base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode())
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{escape(policy)}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="referrer" content="no-referrer">\n'
        f"<title>Erasure certificate {_text(predicate['request'])}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n"
        f"{_summary(predicate)}{_removed(predicate)}{_kept(predicate)}{_evidence(predicate, data)}"
        "</body>\n</html>\n"
    )


def _summary(p: dict[str, Any]) -> str:
    kind, sentence = _STATES[p["state"]]
    times = p["times"]
    facts = [
        ("Request", _code(p["request"])),
        ("What", _text(_SCOPES[p["scope"]])),
        ("Ground", _code(p["ground"])),
        ("Asked for", _time(times["requested"])),
        ("Unreadable since", _time(times["live_erased"])),
        ("Searched for remains", _time(times["probed"])),
        (
            "Older backups unreadable since",
            _time(times["backup_proof"]) if times["backup_proof"] else "not stated",
        ),
        ("Issued", _time(times["issued"])),
    ]
    state = f'<div class="state {kind}"><strong>{_text(p["state"])}</strong><p>{_text(sentence)}</p></div>\n'
    return f"<h1>Erasure certificate</h1>\n{state}{_facts(facts)}"


def _removed(p: dict[str, Any]) -> str:
    probe = p["probe"]
    searched = (
        f"The probe (version {_text(probe['version'])}) looked for {probe['needles']} values in {probe['pages']} "
        f"decrypted pages, {probe['frames']} journal frames and {probe['files']} files: {probe['hits']} hits."
    )
    counts = [(_text(c["store"]), str(c["before"]), str(c["after"])) for c in p["counts"]]
    epochs = [
        (
            str(e["epoch"]),
            _text(e["state"]),
            _time(e["effective_at"]),
            _text(e["provider"]),
            _text(e["evidence"]),
        )
        for e in p["epochs"]
    ]
    ends = (
        _table(("epoch", "state", "since or from", "provider", "what the provider says"), epochs)
        if epochs
        else "<p>No key epoch was destroyed for this certificate.</p>\n"
    )
    return (
        "<h2>What was removed</h2>\n"
        + _table(("store", "before", "after"), counts, numbers=(1, 2))
        + f"<p>{searched}</p>\n<p>{len(p['tombstones'])} data keys were given up.</p>\n"
        + f"<h2>Keys of older backups</h2>\n{ends}<p>{_text(p['backups']['statement'])}"
        + (
            f" The last of them expires on {_text(p['backups']['horizon'])}."
            if p["backups"]["horizon"]
            else ""
        )
        + "</p>\n"
    )


def _kept(p: dict[str, Any]) -> str:
    rows = [
        (_text(item["what"]), str(item["count"]), _code(item["ground"]), _text(item["review"]))
        for item in p["withheld"]
    ]
    withheld = (
        _table(("what", "items", "ground", "reviewed on"), rows, numbers=(1,))
        if rows
        else "<p>Nothing was withheld.</p>\n"
    )
    out = _list(p["out_of_scope"]) if p["out_of_scope"] else ""
    return (
        f"<h2>What was kept, and why</h2>\n{withheld}<p>{_text(p['residual'])}</p>\n"
        + (f"<h2>Out of scope</h2>\n{out}" if out else "")
        + f"<h2>What this certificate does not say</h2>\n{_list(p['limits'])}"
    )


def _evidence(p: dict[str, Any], data: bytes) -> str:
    log, policy = p["log"], p["policy"]
    facts = [
        ("Certificate file, SHA-256", _code(hashlib.sha256(data).hexdigest())),
        ("Log", _code(log["origin"])),
        ("Checkpoint", f"{log['size']} entries, root {_code(log['root'])}"),
        ("Policy", f"{_text(policy['name'])} {_text(policy['version'])}, digest {_code(policy['digest'])}"),
        ("Made by", _text(p["software"])),
    ]
    return (
        f"<h2>Proof</h2>\n{_facts(facts)}"
        "<footer><p>This page is a rendering. What can be verified is the certificate file, on any machine with "
        "Python, against the log's key that you got from somebody you trust:</p>\n"
        "<p><code>python verify.py certificate FILE --vkey KEYFILE</code></p></footer>\n"
    )


def _text(value: object) -> str:
    return escape(str(value))


def _code(value: object) -> str:
    return f"<code>{_text(value)}</code>"


def _time(value: str) -> str:
    return _text(value[:19].replace("T", " ") + " UTC")


def _facts(rows: Iterable[tuple[str, str]]) -> str:
    """Names and values; the values are markup."""
    body = "".join(f'<tr><th scope="row">{_text(name)}</th><td>{value}</td></tr>\n' for name, value in rows)
    return f"<table>\n{body}</table>\n"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]], numbers: Sequence[int] = ()) -> str:
    """A table; the cells are markup."""
    classes = [' class="number"' if at in numbers else "" for at in range(len(head))]
    cells = zip(classes, head, strict=True)
    top = "".join(f'<th scope="col"{kind}>{_text(name)}</th>' for kind, name in cells)
    body = "".join(
        "<tr>"
        + "".join(f"<td{kind}>{cell}</td>" for kind, cell in zip(classes, row, strict=True))
        + "</tr>\n"
        for row in rows
    )
    return f"<table>\n<thead><tr>{top}</tr></thead>\n<tbody>\n{body}</tbody>\n</table>\n"


def _list(items: Iterable[str]) -> str:
    return "<ul>" + "".join(f"<li>{_text(item)}</li>" for item in items) + "</ul>\n"
