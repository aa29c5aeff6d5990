"""`memvault evidence`: what an auditor gets, and checking it; verifying needs no vault and opens none."""

from __future__ import annotations

import zipfile
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from vault.cli import output, parsing
from vault.cli.failures import FAILED
from vault.cli.inspecting import PANEL
from vault.cli.verbs import AUDITOR, Call, verb
from vault.errors import InvalidInputError, NotFoundError

if TYPE_CHECKING:
    from rich.console import Console

    from vault.audit.verify import Evidence, Verdict

MOST_NOTE: Final = 65_536  # bytes of a checkpoint or a file of keys


def register(app: typer.Typer) -> None:
    group = typer.Typer(no_args_is_help=True, help="Evidence for an auditor: build, verify, show.")
    verb(group, "build")(build)
    verb(group, "verify")(verify)
    verb(group, "page")(page)
    app.add_typer(group, name="evidence", rich_help_panel=PANEL)


def build(
    call: Call,
    out: Annotated[
        Path, typer.Option("--out", metavar="PLACE", help="A new folder, or a new file that ends in .zip.")
    ],
) -> None:
    """Write the tenant's log, its checkpoints, histories and certificates, and check what was written.

    Acts as the auditor; handing out the log is logged. No entry in it names a person or holds a text.
    """
    with call.admin("audit.evidence", AUDITOR) as admin:
        facts = admin.audit_evidence(out)
    call.out.show(facts, lambda screen: output.facts(screen, facts))


def verify(
    call: Call,
    path: Annotated[Path, typer.Argument(metavar="PATH", help="A bundle (folder or zip), or a certificate.")],
    vkey: Annotated[
        Path,
        typer.Option(
            "--vkey", metavar="FILE", help="The log's verifier keys, one a line, from whom you trust."
        ),
    ],
    since: Annotated[
        list[Path] | None,
        typer.Option("--since", metavar="FILE", help="A checkpoint that you kept; may be repeated."),
    ] = None,
    request: Annotated[
        str | None, typer.Option("--request", metavar="ID", help="The request a certificate must answer.")
    ] = None,
    seen: Annotated[
        Path | None,
        typer.Option(
            "--seen", metavar="FILE", help="Certificates seen before, kept by you; this one is added."
        ),
    ] = None,
    subject: Annotated[
        Path | None,
        typer.Option("--subject", metavar="FILE", help="What the person got: is the certificate about them?"),
    ] = None,
) -> None:
    """Check evidence or a certificate offline; exit code 5 names the check that failed. Opens no vault."""
    from vault.audit import verify as verifier

    notes = [parsing.read_file(one, MOST_NOTE, "--since") for one in since or ()]
    is_bundle = path.is_dir() or (path.is_file() and zipfile.is_zipfile(path))
    if is_bundle and (request is not None or seen is not None or subject is not None):
        raise InvalidInputError("evidence.options", "--request, --seen and --subject are for one certificate")
    text = parsing.decoded(parsing.read_file(vkey, MOST_NOTE, "--vkey"), "the file given with --vkey")
    data = b"" if is_bundle else parsing.read_file(path, verifier.MAX_CERTIFICATE, "PATH")
    opening = parsing.read_file(subject, MOST_NOTE, "--subject") if subject is not None else None
    found: Evidence | Verdict
    try:
        keys = verifier.parse_vkeys(text)
        if is_bundle:
            found = verifier.verify_evidence(path, keys, since=notes)
        else:
            known = verifier.read_seen(seen) if seen is not None else ()
            found = verifier.verify_certificate(
                data, keys, since=notes, request=request, seen=known, subject=opening
            )
            if seen is not None:
                verifier.note_seen(seen, found)
    except verifier.VerificationError as error:
        _failed(call, error.check, str(error))
        raise typer.Exit(FAILED) from None
    said, facts = found.sentences(), {"ok": True, **asdict(found)}
    call.out.show(facts, lambda screen: _lines(screen, said))


def _failed(call: Call, check: str, reason: str) -> None:
    document = {"ok": False, "failed": check, "reason": reason}
    call.out.show(
        document, lambda screen: output.line(screen, ("does not verify: ", "bold red"), f"{check}: {reason}")
    )


def _lines(screen: Console, said: list[str]) -> None:
    for sentence in said:
        output.line(screen, sentence)


def page(
    call: Call,
    certificate: Annotated[Path, typer.Argument(metavar="CERTIFICATE", help="A certificate file.")],
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help="The new page, ending in .html.")],
) -> None:
    """Render a certificate as one page that prints. The page is a rendering: what can be verified is the file."""
    from vault.audit import certificate_html
    from vault.audit.verify import MAX_CERTIFICATE, VerificationError

    data = parsing.read_file(certificate, MAX_CERTIFICATE, "CERTIFICATE")
    try:
        text = certificate_html.render(data)
    except VerificationError:
        raise InvalidInputError("certificate.form", "the file is no certificate") from None
    write_new(out, text.encode())
    call.out.show({"page": str(out)}, lambda screen: output.line(screen, f"written: {out}"))


def write_new(path: Path, data: bytes) -> None:
    """Write a file that is not there yet, whole and durably; raises InvalidInputError, NotFoundError, StorageError."""
    from vault.files import write_private

    if path.exists() or path.is_symlink():
        raise InvalidInputError("out.exists", "there is something under the name given with --out already")
    if not path.parent.is_dir():
        raise NotFoundError("file.missing", "the folder of the file given with --out does not exist")
    write_private(path, data)


def keep_checkpoint(note: str, out: Path) -> Path:
    """Put a checkpoint where it is kept: under a new name, or in a folder under its log and size; the file's path."""
    if not out.is_dir():
        write_new(out, note.encode())
        return out
    origin, size = note.split("\n")[:2]
    path = out / f"{origin.rpartition('/')[2]}-{size}.checkpoint"
    if not path.exists() or path.read_bytes() != note.encode():
        write_new(path, note.encode())
    return path


def kept(paths: list[Path] | None) -> list[bytes]:
    """Checkpoints that were kept, as the log is compared with them."""
    return [parsing.read_file(path, MOST_NOTE, "--since") for path in paths or ()]
