"""Recognisers of e-mail addresses and URLs: linear in the text's length, no look-up, no network.

E-mail and URL also know the addresses of closed networks (`@hospital.local`, `@corp`, `http://intranet/`),
which Presidio's recognisers, bound to the public suffix list, do not.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Final

from vault.redaction.data import pattern_data
from vault.redaction.interface import DEFAULT_THRESHOLD
from vault.redaction.normalise import View
from vault.types import Finding

# RFC 5322 atext and '.', without = / ? & { } |, which in practice join an address to something else
# (`mail=a@b.c`).
_LOCAL: Final = frozenset(".!#$%'*+-^_`~")
_DOMAIN: Final = re.compile(
    r"(?P<name>\w(?:[\w-]*\w)?(?:\.\w(?:[\w-]*\w)?)*)|\[(?P<literal>[0-9A-Fa-f:.]{3,45})\]", re.ASCII
)
_UNICODE_DOMAIN: Final = re.compile(_DOMAIN.pattern)
_QUOTED_LOCAL: Final = 64  # RFC 5321 4.5.3.1.1

DOTTED: Final = 0.95
SINGLE_LABEL: Final = 0.6


class EmailRecogniser:
    """E-mail addresses, by looking around each @."""

    name = "contact.email"
    entities = frozenset(("EMAIL_ADDRESS",))
    digits = 0

    def __init__(self, *, threshold: float = DEFAULT_THRESHOLD) -> None:
        self._threshold = threshold

    def find(self, view: View) -> Iterable[Finding]:
        text = view.text
        at = text.find("@")
        if at < 0:
            return ()
        found: list[Finding] = []
        pattern = _DOMAIN if text.isascii() else _UNICODE_DOMAIN
        floor = 0
        while at >= 0:
            start = _local_start(text, at, floor)
            domain = pattern.match(text, at + 1) if start < at and not _in_userinfo(text, start) else None
            score = _domain_score(domain) if domain else 0.0
            if domain and score >= self._threshold:
                found.append(Finding("EMAIL_ADDRESS", start, domain.end(), score, self.name))
            floor = at + 1
            at = text.find("@", floor)
        return found


def _local_start(text: str, at: int, floor: int) -> int:
    """Where the local part before `text[at]` starts; `at` if there is none."""
    if at > floor and text[at - 1] == '"':
        quote = text.rfind('"', max(floor, at - _QUOTED_LOCAL - 2), at - 1)
        return quote if quote >= 0 else at
    start = at
    while start > floor and (text[start - 1].isalnum() or text[start - 1] in _LOCAL):
        start -= 1
    while start < at and not (text[start].isalnum() or text[start] == "_"):
        start += 1  # leading punctuation belongs to the sentence
    return start


def _in_userinfo(text: str, start: int) -> bool:
    """Whether what looks like a local part is the password of `scheme://user:password@host`."""
    return (
        text[start - 1 : start] == ":"
        and re.search(r"://[^\s/@]*:$", text[max(0, start - 80) : start]) is not None
    )


def _domain_score(domain: re.Match[str]) -> float:
    name = domain["name"]
    if name is None:
        return DOTTED
    labels = name.split(".")
    last = labels[-1]
    if len(labels) == 1:
        return SINGLE_LABEL if len(last) > 1 and last[0].isalpha() else 0.0
    if last.isalpha() or last.startswith("xn--"):
        return DOTTED
    return DOTTED if len(labels) == 4 and all(label.isdigit() for label in labels) else 0.0


# Top-level domains that are seldom anything else. The others of the list (words such as `now`, `you` and
# `it`, file endings such as `py`, `md` and `sh`) need a second sign that the text is a host name.
_SURE: Final = (
    "com org net edu gov mil int info biz dev cloud tech xyz online site website store shop blog wiki "
    "email agency academy hospital clinic healthcare dental pharmacy insure finance financial bank "
    "software systems network hosting ac ae af ag al ao ar au aw az ba bb bd bf bg bh bi bj bn br bs bt "
    "bw by bz ca cd cf cg ch ci ck cl cm cn co cr cu cv cy cz de dj dk dm dz ec ee eg er es et eu fi fj "
    "fk fm fo fr ga gb gd ge gf gg gh gi gl gm gn gp gq gr gs gt gu gw gy hk hm hn hr ht hu id ie il iq "
    "ir je jm jo jp ke kg kh ki km kn kp kr kw ky kz la lb lc li lk lr ls lt lu lv ly ma mc mg mh mk ml "
    "mm mn mo mp mq mr mt mu mv mw mx mz na nc ne nf ng ni nl np nr nu nz om pa pe pf pg ph pk pl pn pr "
    "pt pw qa ro ru rw sa sb sc sd se sg si sj sk sl sm sn sr st su sv sx sy sz tc td tf tg th tj tk tl "
    "tm tn tr tt tv tw tz ua ug uk uy uz va vc ve vg vi vn vu wf ye yt za zm zw "
    "local localdomain internal intranet intra lan corp arpa onion "  # closed networks
)
_SURE_DOMAINS: Final = frozenset(_SURE.split())
_HOST: Final = re.compile(r"(?<![\w@.-])[\w-]+(?:\.[\w-]+)+(?![\w@-])")
_AFTER_HOST: Final = re.compile(r"(?::\d{1,5})?(?:[/?#][^\s<>\"'()]*)?")
_SCHEME: Final = re.compile(r"(?<![A-Za-z0-9+.-])[A-Za-z][A-Za-z0-9+.-]{1,15}(?=://)")
_AFTER_SCHEME: Final = re.compile(r"://[^\s<>\"]+")
_FILE_ENDINGS: Final = frozenset(("py", "md", "rs", "sh", "cc", "so", "zip", "mov", "ps"))
_TRAILING: Final = ".,;:!?'*)]}"


class UrlRecogniser:
    """URLs with a scheme, host names with a path, and bare host names under a known top-level domain."""

    name = "contact.url"
    entities = frozenset(("URL",))
    digits = 0

    def __init__(self, *, threshold: float = DEFAULT_THRESHOLD) -> None:
        self._threshold = threshold
        self._domains: frozenset[str] | None = None

    def find(self, view: View) -> Iterable[Finding]:
        text = view.text
        if "." not in text and "://" not in text:
            return ()
        found = []
        done = 0
        for start, end, score in sorted((*_with_scheme(text), *self._hosts(text))):
            if end > done and score >= self._threshold:
                found.append(Finding("URL", start, end, score, self.name))
                done = end
        return found

    def _hosts(self, text: str) -> Iterator[tuple[int, int, float]]:
        if self._domains is None:
            self._domains = frozenset(pattern_data()["top_level_domains"]) | _SURE_DOMAINS
        for match in _HOST.finditer(text):
            end = self._host_end(text, match)
            if end == 0:
                continue
            start = match.start()
            if end == match.end():
                rest = _AFTER_HOST.match(text, end)
                end = _trimmed(text, start, rest.end() if rest else end)
            yield start, end, 0.5

    def _host_end(self, text: str, match: re.Match[str]) -> int:
        """Where the host name ends, without the next sentence's first words glued to it; 0 if it is none."""
        labels = match.group().split(".")
        end = match.end()
        known = self._domains or frozenset()
        for count in range(len(labels), 1, -1):
            last = labels[count - 1]
            if last.lower() in known:
                path = (
                    end == match.end()
                    and text[end : end + 1] in ("/", ":")
                    and text[end + 1 : end + 2].strip() != ""
                )
                more = labels[0].lower().startswith("www") or (
                    count > 2 and len(labels[count - 2]) > 1 and last.lower() not in _FILE_ENDINGS
                )
                titled = last.istitle() and len(last) > 1 and not labels[0].istitle()
                sure = last.lower() in _SURE_DOMAINS and not titled
                return end if sure or path or more else 0
            end -= len(last) + 1
        return 0


def _with_scheme(text: str) -> Iterator[tuple[int, int, float]]:
    if "://" not in text:
        return
    match = _SCHEME.search(text)
    while match:
        rest = _AFTER_SCHEME.match(text, match.end())
        if rest:
            yield match.start(), _trimmed(text, match.end() + 3, rest.end()), 0.6
        match = _SCHEME.search(text, rest.end() if rest else match.end())


def _trimmed(text: str, start: int, end: int) -> int:
    """The end without the punctuation of the sentence around it; a bracket stays with its opening one."""
    surplus = text.count(")", start, end) - text.count("(", start, end)
    while end > start and text[end - 1] in _TRAILING:
        if text[end - 1] == ")":
            if surplus <= 0:
                break
            surplus -= 1
        end -= 1
    return end
