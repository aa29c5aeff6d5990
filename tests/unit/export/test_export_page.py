"""The page: escaped, complete, in order, nothing to fetch or run; and as a real browser reads it."""

from __future__ import annotations

import html
import itertools
import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from support.calls import session_of
from support.exported import EMAIL, USER, Read, live, privacy

from vault import Vault

INJECTIONS = (
    "<script>document.title='owned'</script>",
    "</p></article></main><h1>owned</h1>",
    "<img src=x onerror=\"document.title='owned'\">",
    "<style>body{display:none}</style>",
    "<link rel=stylesheet href=https://example.org/x.css>",
    "<meta http-equiv=refresh content='0;url=https://example.org/'>",
    "<iframe src=//example.org></iframe><!-- <base href=//example.org>",
    "\"><svg/onload=document.title='owned'>",
    "'-alert(1)-'&lt;b&gt;&amp;&#x3c;script&#x3e;",
    "]]><![CDATA[<b>",
    "<title>owned</title><textarea>",
)
VOID = frozenset({"meta", "br", "img", "link", "input", "hr"})
CHROMIUM = next((found for name in ("chromium", "chromium-browser") if (found := shutil.which(name))), None)
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage",
)  # fmt: skip


class Page(HTMLParser):
    """Elements, attributes and headings of a page; unbalanced elements are an error."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.headings: list[tuple[int, str]] = []
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)
        if re.fullmatch(r"h[1-6]", tag):
            self.headings.append((int(tag[1]), ""))

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag, (tag, self.getpos())

    def handle_data(self, data: str) -> None:
        if any(re.fullmatch(r"h[1-6]", tag) for tag in self._open):
            level, text = self.headings[-1]
            self.headings[-1] = (level, text + data)

    def named(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


def hostile(vault: Vault) -> str:
    """A person everything about whom is an injection; the id."""
    user = f"pat-{INJECTIONS[0]}"
    bot = f"bot {INJECTIONS[1]}"
    app = session_of(vault, name=bot)
    for injection in INJECTIONS:
        message = {"role": "user", "content": f"About {injection}", "name": injection}
        metadata = {injection: [injection, 7]}
        memory = app.add(message, user_id=user, agent_id=f"agent {injection}", metadata=metadata).memories[0]
        app.update(memory.id, f"Changed {injection}", reason=f"because {injection}")
    app.delete(memory.id, reason=f"gone {INJECTIONS[2]}")
    return user


def exported(vault: Vault, user: str, place: Path, **options: Any) -> str:
    privacy(vault, name=f"kim {INJECTIONS[7]}").exports.run(
        user_id=user, to=place, format="folder", **options
    )
    return Read(place).page


@pytest.fixture
def page(clinic: Vault, tmp_path: Path) -> str:
    live(clinic)
    return exported(clinic, USER, tmp_path / "copy", reveal="request 7")


def test_it_has_a_language_a_title_and_headings_in_order(page: str) -> None:
    assert page.startswith("<!DOCTYPE html>\n")
    parsed = Page(page)
    assert parsed.named("html") == [{"lang": "en"}]
    assert {"charset": "utf-8"} in parsed.named("meta")
    assert re.search(r"<title>What is held about pat-42, \d{4}-\d\d-\d\d</title>", page)
    levels = [level for level, _ in parsed.headings]
    assert (levels[0], levels.count(1)) == (1, 1)
    assert all(after <= before + 1 for before, after in itertools.pairwise(levels))
    assert [text for level, text in parsed.headings if level == 2] == [
        "About this copy", "Memories", "Values that were taken out", "Who saw or changed it", "What is not in it",
        "The files",
    ]  # fmt: skip
    anchors = {str(a["href"]).removeprefix("#") for a in parsed.named("a")}
    assert anchors == {str(h["id"]) for h in parsed.named("h2")}
    assert all(th.get("scope") == "col" for th in parsed.named("th"))
    assert len(parsed.named("caption")) == len(parsed.named("table")) == 2


def test_it_says_everything_that_the_files_say(clinic: Vault, tmp_path: Path, page: str) -> None:
    read = Read(tmp_path / "copy")
    text = html.unescape(re.sub(r"<[^>]+>", "", page))
    for memory in read.memories:
        assert memory["text"] is None or memory["text"] in text
        assert memory["id"] in text
        for step in memory["history"]:
            assert step.get("text", "") in text
            assert step["actor"] in text
            assert step["reason"] is None or step["reason"] in text
    for token in read.tokens:
        assert token["token"] in text
        assert token.get("value", "stays hidden") in text
    for entry in read.log:
        assert read.summary["actions"][entry["action"]] in text
        assert read.summary["purposes"][entry["purpose"]] in text
    for sentence in read.summary["not_included"]:
        assert sentence in text
    assert EMAIL in text
    assert page.count("<tr>") == 2 + len(read.tokens) + len(read.log)


def test_nothing_is_fetched_and_nothing_runs(clinic: Vault, tmp_path: Path) -> None:
    parsed = Page(exported(clinic, hostile(clinic), tmp_path / "hostile"))
    tags = {tag for tag, _ in parsed.elements}
    assert not tags & {
        "script",
        "img",
        "link",
        "iframe",
        "object",
        "embed",
        "form",
        "base",
        "svg",
        "textarea",
        "video",
    }
    assert len(parsed.named("style")) == len(parsed.named("title")) == len(parsed.named("h1")) == 1
    for tag, attributes in parsed.elements:
        assert not [name for name in attributes if name.startswith("on") or name in ("src", "style")], tag
        assert tag != "a" or str(attributes["href"]).startswith("#")
    (policy,) = [
        m["content"] for m in parsed.named("meta") if m.get("http-equiv") == "Content-Security-Policy"
    ]
    assert str(policy).startswith(
        "default-src 'none'; base-uri 'none'; form-action 'none'; style-src 'sha256-"
    )
    assert "url(" not in exported(clinic, hostile(clinic), tmp_path / "again").partition("</style>")[0]


def test_what_was_typed_is_shown_as_it_was_typed(clinic: Vault, tmp_path: Path) -> None:
    user = hostile(clinic)
    page = exported(clinic, user, tmp_path / "hostile")
    assert Page(page).headings[0] == (1, f"What is held about {user}")
    texts = [memory["text"] for memory in Read(tmp_path / "hostile").memories if memory["text"]]
    assert len(texts) == len(INJECTIONS) - 1
    for text in texts:
        assert f'<p class="say" dir="auto">{html.escape(text)}</p>' in page


def test_the_direction_of_a_text_stays_inside_it(clinic: Vault, tmp_path: Path) -> None:
    session_of(clinic).add("\u202eelif a", user_id=USER, metadata={"\u202ek": "\u202ev"})
    page = exported(clinic, USER, tmp_path / "copy")
    for match in re.finditer("\u202e", page):
        before = page[: match.start()]
        assert before.endswith(('<p class="say" dir="auto">', "<bdi>", '<dd dir="auto">'))


# --- a browser ------------------------------------------------------------------------------------------------------


def browse(page: Path, profile: Path, *more: str) -> str:
    assert CHROMIUM is not None
    command = [CHROMIUM, *FLAGS, f"--user-data-dir={profile}", *more, page.as_uri()]
    environment = {"HOME": str(profile), "PATH": "/usr/bin:/bin"}
    done = subprocess.run(command, capture_output=True, timeout=120, check=False, env=environment)
    assert done.returncode == 0, done.stderr[-2_000:].decode(errors="replace")
    return done.stdout.decode()


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium here")
def test_a_browser_reads_the_same_and_is_not_taken_over(clinic: Vault, tmp_path: Path) -> None:
    user = hostile(clinic)
    exported(clinic, user, tmp_path / "hostile")
    shown = browse(tmp_path / "hostile" / "index.html", tmp_path / "profile", "--dump-dom")
    parsed = Page(shown)
    assert "<title>owned" not in shown
    assert len(parsed.named("h1")) == 1
    assert not parsed.named("script")
    text = html.unescape(re.sub(r"<[^>]+>", "", shown.partition("</style>")[2]))
    for memory in Read(tmp_path / "hostile").memories:
        assert memory["text"] is None or memory["text"] in text
    assert "None." not in text.partition("Who saw or changed it")[2].partition("What is not in it")[0]


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium here")
def test_it_prints(clinic: Vault, tmp_path: Path) -> None:
    live(clinic)
    exported(clinic, USER, tmp_path / "copy")
    browse(
        tmp_path / "copy" / "index.html", tmp_path / "profile",
        "--no-pdf-header-footer", f"--print-to-pdf={tmp_path / 'copy.pdf'}",
    )  # fmt: skip
    data = (tmp_path / "copy.pdf").read_bytes()
    assert data.startswith(b"%PDF-")
    assert len(data) > 10_000
