"""Rules for names people have in networks, and for hosts of closed ones: a cue or a label names what they are."""

from __future__ import annotations

from typing import Final

from vault.redaction.patterns import Rule, RuleSet

_NETWORKS: Final = (
    "twitter|instagram|insta|ig|tiktok|snapchat|snap|telegram|discord|github|gitlab|reddit|linkedin"
    "|facebook|fb|threads|mastodon"
    "|bluesky|skype|twitch|youtube|steam|gamertag|psn|xbox|kik|wechat|line|venmo|cashapp|paypal|slack|signal"
)
_WORDS: Final = frozenset(
    (
        *_NETWORKS.split("|"),
        "username",
        "usernames",
        "user",
        "handle",
        "handles",
        "screen",
        "login",
        "account",
        "userid",
        "nickname",
    )
)

HANDLE_RULES: Final[tuple[RuleSet, ...]] = (
    RuleSet(
        name="rules.handle",
        entity="SOCIAL_HANDLE",
        unstructured=True,
        cues=(*_NETWORKS.split("|"), "handle", "username", "follow", "dm", "account", "profile", "nickname"),
        rules=(
            Rule(
                name="at sign",
                regex=r"(?<![\w@./-])@[A-Za-z_][\w.]{1,28}\w(?![\w@])",
                score=0.0,
                near=0.6,
                chars="@",
            ),
            Rule(
                name="labelled",
                regex=(
                    rf"\b(?:(?:{_NETWORKS}) (?:handle|username|user ?name|user|id|account|name"
                    rf"|nick(?:name)?|profile|tag)"
                    r"|username|user name|user ?id|screen name|gamertag|login name|nickname|handle)"
                    r"(?: is|:| =|=)[ :]{0,2}[\"']?(?P<value>@?(?=[\w.#-]{0,30}[\d_.#-]|@)[\w.#-]{2,38}\w)(?![\w@])"
                ),
                score=0.65,
                words=_WORDS,
            ),
        ),
    ),
)
