"""`Subjects`: who people are, and where they are mentioned. Outside the core's names; reached by `Session.subjects`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vault.flows.context import Caller, Stages
    from vault.flows.people.mentions import Mentions
    from vault.flows.people.redact import RedactedMentions
    from vault.flows.people.subjects import Merged, PersonIds, Renamed
    from vault.types import SearchHit


class Subjects:
    """Ids of people, and mentions of them in the memories of others. Every call is decided and logged.

    All of it is about more than one person: a session bound to one user is refused (InvalidInputError).
    """

    def __init__(self, opened: Callable[[], Stages], caller: Caller) -> None:
        self._opened = opened
        self._caller = caller

    def __repr__(self) -> str:
        return "<Subjects>"

    def rename(
        self,
        user_id: str,
        new_id: str,
        *,
        keep_old_as_alias: bool = True,
        reason: str | None = None,
        dry_run: bool = False,
    ) -> Renamed:
        """Give a person another user id; memories keep their ids. The old one goes on finding them, unless not kept.

        Raises NotFoundError for an unknown person, ConflictError where `new_id` is somebody else's, HeldError under a
        legal hold.
        """
        from vault.flows.people import subjects

        return subjects.rename(
            self._opened(),
            self._caller,
            user_id,
            new_id,
            keep_old=keep_old_as_alias,
            reason=reason,
            dry_run=dry_run,
        )

    def merge(self, source: str, into: str, *, reason: str | None = None, dry_run: bool = False) -> Merged:
        """Make one person of two: everything of `source` becomes that of `into`, and its ids find it there.

        All of it or nothing; repeated after a crash it ends the same. Old memory ids go on working. The keys of
        `source` are destroyed: data backups from before hold nothing of it any more. HeldError where `source` is under
        a legal hold; one on `into` stays.
        """
        from vault.flows.people import subjects

        return subjects.merge(self._opened(), self._caller, source, into, reason=reason, dry_run=dry_run)

    def aliases(self, user_id: str) -> PersonIds:
        """The ids of the person that any of them names."""
        from vault.flows.people import subjects

        return subjects.aliases(self._opened(), self._caller, user_id)

    def add_alias(self, user_id: str, alias: str, *, reason: str | None = None) -> PersonIds:
        """One more id that finds the person; ConflictError where it is somebody else's."""
        from vault.flows.people import subjects

        return subjects.add_alias(self._opened(), self._caller, user_id, alias, reason=reason)

    def remove_alias(self, user_id: str, alias: str, *, reason: str | None = None) -> PersonIds:
        """One id less; NotFoundError where it is no alias of the person, HeldError under a legal hold."""
        from vault.flows.people import subjects

        return subjects.remove_alias(self._opened(), self._caller, user_id, alias, reason=reason)

    def search(
        self,
        query: str,
        *,
        user_ids: Sequence[str] | None,
        agent_id: str | None = None,
        app_id: str | None = None,
        run_id: str | None = None,
        filters: Mapping[str, Any] | None = None,
        limit: int = 10,
        threshold: float = 0.0,
        recency: float | None = None,
        distinct: bool = True,
        explain: bool = False,
    ) -> list[SearchHit]:
        """The memories of several people that answer a question, best first, redacted; None for everybody's.

        The people are ranked as one: a score says how a memory does among all of theirs. Each of them has it in their
        own log before the answer leaves. Who is unknown is not there. Raises QuotaDeniedError for more people than the
        pack allows at once. The other options are those of `Session.search`.
        """
        from vault.flows import across

        return across.search_across(
            self._opened(),
            self._caller,
            query,
            user_ids=user_ids,
            agent_id=agent_id,
            app_id=app_id,
            run_id=run_id,
            filters=filters,
            limit=limit,
            threshold=threshold,
            recency=recency,
            distinct=distinct,
            explain=explain,
        )

    def find_mentions(
        self,
        value: str,
        *,
        user_id: str | None = None,
        limit: int = 100,
        people: int = 1_000,
        cursor: str | None = None,
        progress: Callable[[int, int], None] | None = None,
    ) -> Mentions:
        """Which memories mention a name, an address, a number: ids and places, no text. `user_id`'s own are left out.

        At most `limit` memories are named and `people` opened; `cursor` goes on with the same question. `progress` is
        told (people, of how many). The log keeps counts and ids, never the value.
        """
        from vault.flows.people import mentions

        return mentions.find_mentions(
            self._opened(),
            self._caller,
            value,
            user_id=user_id,
            limit=limit,
            people=people,
            cursor=cursor,
            progress=progress,
        )

    def redact_mentions(
        self,
        value: str,
        memory_ids: Sequence[str],
        *,
        reason: str,
        entity: str | None = None,
        dry_run: bool = False,
    ) -> RedactedMentions:
        """Put a token in the place of a value in these memories and in every older version of them.

        `entity` is the class to redact it as, by default what the detector takes it for. NotFoundError for an id that
        is unknown, HeldError where one of the people is under a legal hold: both are looked at before anything changes.
        """
        from vault.flows.people import redact

        return redact.redact_mentions(
            self._opened(), self._caller, value, memory_ids, reason=reason, entity=entity, dry_run=dry_run
        )
