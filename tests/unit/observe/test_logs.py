"""Records of events, and what the loggers of libraries lose before anybody sees it."""

from __future__ import annotations

import io
import json
import logging
import os
import time
from collections.abc import Iterator
from datetime import timedelta

import pytest

from vault.errors import NotFoundError
from vault.observe import handler
from vault.observe.calls import Observer
from vault.observe.catalogue import Alarmed, Called, Staged
from vault.observe.guard import GUARDED, guard, is_ours
from vault.observe.logs import MOST_WAITING, LogListener
from vault.observe.spoken import is_attribute, is_line, is_span
from vault.observe.words import Action, Code, Result, Stage

SECRET = "ana.rivera@example.org"
CALLED = Called(Action("memory.add"), Result.OK, timedelta(seconds=0.25), None, 3)


class Kept(logging.Handler):
    """A host's handler: keeps records as they reach it."""

    def __init__(self) -> None:
        super().__init__()
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)


@pytest.fixture
def root() -> Iterator[Kept]:
    guard()
    kept = Kept()
    logging.root.addHandler(kept)
    yield kept
    logging.root.removeHandler(kept)


@pytest.mark.parametrize("name", GUARDED)
def test_nothing_gets_out_through_a_guarded_logger_or_one_below_it(name: str, root: Kept) -> None:
    for logger in (logging.getLogger(name), logging.getLogger(f"{name}.made_just_now")):
        logger.setLevel(logging.DEBUG)
        error, extra = ValueError(SECRET), {"body": SECRET, "url": SECRET}
        logger.error("sent %s", SECRET, exc_info=error, stack_info=True, extra=extra)
        logger.debug({"text": SECRET})
        logger.setLevel(logging.NOTSET)
    assert len(root.records) >= 2  # Presidio's adapter drops what is said to its own logger
    for record in root.records:
        assert SECRET not in repr(vars(record))
        assert SECRET not in logging.Formatter("%(message)s %(pathname)s %(threadName)s").format(record)
        assert record.getMessage() == "not shown"
        assert record.name.startswith(name)
        assert "/" not in record.pathname


def test_a_handler_of_the_host_on_the_library_s_logger_sees_no_more(root: Kept) -> None:
    logger, own = logging.getLogger("httpx"), Kept()
    logger.addHandler(own)
    guard()
    logger.error(SECRET)
    logging.getLogger("httpx.below").error(SECRET)
    logger.removeHandler(own)
    assert [record.getMessage() for record in own.records] == ["not shown"] * 2


def test_loggers_of_the_host_are_left_alone(root: Kept) -> None:
    before = (list(logging.root.filters), logging.root.level, logging.getLogRecordFactory())
    guard()
    assert (list(logging.root.filters), logging.root.level, logging.getLogRecordFactory()) == before
    logging.getLogger("host.app").warning("as it %s", "was")
    assert root.records[-1].getMessage() == "as it was"
    assert not is_ours(root.records[-1])


def test_a_record_that_only_looks_like_ours_is_reduced(root: Kept) -> None:
    logging.getLogger("memvault").error(SECRET, extra={"what": CALLED, "memvault_trace": SECRET})
    assert SECRET not in repr(vars(root.records[-1]))


def lines(form: str, level: str, *events: object) -> list[str]:
    stream = io.StringIO()
    made, logger = handler(form, stream), logging.getLogger("memvault")  # type: ignore[arg-type]
    logger.addHandler(made)
    try:
        listener = LogListener(level)  # type: ignore[arg-type]
        for event in events:
            listener.said(event)  # type: ignore[arg-type]
    finally:
        logger.removeHandler(made)
    return stream.getvalue().splitlines()


def test_an_event_is_a_line_of_json_or_for_people() -> None:
    (line,) = lines("json", "info", CALLED)
    said = json.loads(line)
    assert said.pop("time").endswith("Z")
    assert said == {
        "level": "info", "event": "call", "action": "memory.add", "result": "ok", "duration": 0.25, "count": 3,
    }  # fmt: skip
    (line,) = lines("console", "info", CALLED)
    assert line.split(" ", 1)[1] == "info    call action=memory.add result=ok duration=0.250000 count=3"


def test_levels() -> None:
    staged = Staged(Action("memory.add"), Stage.SEAL, timedelta(0))
    alarm = Alarmed(Action("memory.get"), Code("records.changed"))
    away = Called(Action("memory.add"), Result.UNAVAILABLE, timedelta(0), Code("storage.io"))
    events = (staged, CALLED, away, alarm)
    assert [len(lines("json", level, *events)) for level in ("debug", "info", "warning", "error", "off")] == [
        4, 3, 2, 1, 0,
    ]  # fmt: skip


def test_calls_that_ended_well_wait_a_moment_and_keep_their_order_and_time() -> None:
    stream = io.StringIO()
    made, logger = handler("json", stream), logging.getLogger("memvault")
    logger.addHandler(made)
    listener = LogListener("info")
    observer = Observer([listener])
    for _ in range(3):
        with observer.call("memory.add", "t"):
            pass
    began = time.time()
    while stream.getvalue().count("\n") < 3:
        assert time.time() - began < 10, "nobody writes them"
        time.sleep(0.01)
    with observer.call("memory.list", "t"):
        pass
    with pytest.raises(NotFoundError), observer.call("memory.get", "t"):
        raise NotFoundError("memory.unknown", "x")
    for _ in range(MOST_WAITING + 5):
        with observer.call("memory.add", "t"):
            pass
    observer.close()
    logger.removeHandler(made)
    said = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert [one["action"] for one in said[:6]] == [
        "memory.add", "memory.add", "memory.add", "memory.list", "memory.get", "memory.add",
    ]  # fmt: skip
    assert len(said) == 5 + MOST_WAITING + 5
    times = [one["time"] for one in said]
    assert times == sorted(times)


def test_a_child_made_by_fork_leaves_the_parent_s_lines_to_the_parent() -> None:
    stream = io.StringIO()
    made, logger = handler("json", stream), logging.getLogger("memvault")
    logger.addHandler(made)
    observer = Observer([LogListener("info")])
    with observer.call("memory.add", "t"):
        pass
    child = os.fork()
    if child == 0:
        observer.close()
        os._exit(stream.getvalue().count("\n"))
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    observer.close()
    logger.removeHandler(made)
    assert stream.getvalue().count("\n") == 1


def test_a_closed_stream_breaks_nothing() -> None:
    stream = io.StringIO()
    made = handler("json", stream)
    stream.close()
    logging.getLogger("memvault").addHandler(made)
    LogListener("info").said(CALLED)
    logging.getLogger("memvault").removeHandler(made)


def test_other_records_are_lines_without_their_text() -> None:
    stream = io.StringIO()
    made = handler("json", stream)
    for name in ("json", f"user.{SECRET}"):
        made.handle(logging.LogRecord(name, logging.INFO, SECRET, 1, SECRET, (SECRET,), None))
    said = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert [{**one, "time": ""} for one in said] == [
        {"time": "", "level": "info", "event": "log", "logger": name} for name in ("json", "other")
    ]


def test_what_can_have_been_said_is_told_from_what_cannot() -> None:
    assert is_span("memory.add")
    assert is_span("seal")
    assert not is_span(f"GET /{SECRET}")
    assert is_attribute("memvault.result", "ok")
    assert is_attribute("memvault.count", 3)
    assert is_attribute("memvault.tenant", "0a" * 16)
    for name, value in (
        ("memvault.result", SECRET), ("memvault.count", SECRET), ("memvault.tenant", SECRET), ("http.url", 3),
        ("memvault.other", "ok"), ("memvault.tenant", "0A" * 16), (3, 3),
    ):  # fmt: skip
        assert not is_attribute(name, value)
    assert is_line("call action=memory.add result=ok duration=0.250000 count=3")
    assert not is_line(f"call action=memory.add result={SECRET}")
    assert not is_line(f"call action=memory.add result=ok {SECRET}")
    assert not is_line(SECRET)
    assert not is_line(None)
