"""Loggers of the vault and of the libraries it uses: what they say is reduced before any handler sees it.

The first open vault of a process guards these loggers, at every level. A record keeps its time, level and logger, and
loses its text, its arguments, its traceback and every field that somebody added. Loggers of the host, the root logger
and the hooks of the interpreter are left alone; `vault.observe.install` is for those.
"""

from __future__ import annotations

import logging
import time
from typing import Final

from vault.observe.events import Event
from vault.observe.traces import Trace

OWN: Final = "memvault"  # the one logger that speaks, and only events
TRACE: Final = "memvault_trace"  # the attribute of a record that holds a reduced traceback
NOT_SHOWN: Final = "not shown"
GUARDED: Final = (
    OWN, "vault", "presidio-analyzer", "presidio-anonymizer", "presidio_analyzer", "presidio_anonymizer", "spacy",
    "tldextract", "httpx", "httpcore", "httpx2", "httpcore2", "h11", "h2", "hpack", "urllib3", "requests",
    "qdrant_client", "grpc", "opentelemetry", "posthog", "backoff", "onnxruntime", "fastembed",
    "sentence_transformers", "transformers", "huggingface_hub", "filelock", "model2vec", "gliner", "pkcs11",
)  # fmt: skip
_PLAIN: Final = frozenset(vars(logging.makeLogRecord({}))) | {
    "message",
    "asctime",
}  # what a record has of itself


_BLANK: Final = {
    **vars(logging.LogRecord(OWN, logging.INFO, "", 0, "", None, None)),
    **dict.fromkeys(("threadName", "processName", "taskName"), None),
}


class Said(logging.LogRecord):
    """A record made here: of an event, or of an exception that was reduced. Nothing else is let through."""

    def __init__(self, level: int, what: Event | Trace, at: float | None = None) -> None:
        # What logging's own constructor looks up, the thread, the process and the caller, is left out: it takes longer
        # than all the rest, and names that a host gave to its threads are no words of ours.
        now = time.time() if at is None else at
        vars(self).update(_BLANK)
        self.created, self.msecs = now, (now - int(now)) * 1_000
        self.levelno, self.levelname = level, logging.getLevelName(level)
        self.msg = _Line(what)
        self.what = what


class _Line:
    """An event or a trace as any formatter shows it: rendered only where somebody writes it."""

    __slots__ = ("_what",)

    def __init__(self, what: Event | Trace) -> None:
        self._what = what

    def __str__(self) -> str:
        name, fields = spoken(self._what)
        return " ".join([name, *(f"{key}={shown(value)}" for key, value in fields.items())])


def spoken(what: Event | Trace) -> tuple[str, dict[str, object]]:
    """The name and the fields of what is said."""
    if isinstance(what, Trace):
        return "exception", what.said()
    return what.name, dict(what.fields())


def shown(value: object) -> str:
    """A field in a line for people."""
    if isinstance(value, list):
        return ",".join(map(str, value)) or "-"
    return f"{value:.6f}" if isinstance(value, float) else str(value)


def reduce(record: logging.LogRecord, text: str = NOT_SHOWN) -> logging.LogRecord:
    """The record in place, with `text` for everything that could carry content."""
    record.msg, record.args = text, None
    record.exc_info = record.exc_text = record.stack_info = None
    record.pathname = record.filename  # where something is installed may name a person
    record.threadName = record.processName = None
    for name in set(vars(record)) - _PLAIN:
        if name != TRACE or not isinstance(getattr(record, name), Trace):
            delattr(record, name)
    for name in ("taskName", "message"):
        if name in vars(record):
            setattr(record, name, None)
    return record


def is_ours(record: logging.LogRecord) -> bool:
    """Whether a record was made here."""
    return type(record) is Said


class _Filter(logging.Filter):
    """Reduces what is said to a guarded logger itself; for records that its own handlers would see first."""

    def filter(self, record: logging.LogRecord) -> bool:
        if not is_ours(record):
            reduce(record)
        return True


class _Below(logging.Handler):
    """Stands first on a guarded logger and reduces what comes up from loggers below, before the root's handlers.

    Loggers below that do not exist yet are covered too; so that nothing is printed where a host has no handlers, it
    also takes the place of logging's last resort.
    """

    def handle(self, record: logging.LogRecord) -> bool:
        if not is_ours(record):
            reduce(record)
        return True


_FILTER: Final = _Filter()
BELOW: Final = _Below()


def first(logger: logging.Logger) -> None:
    """Records are reduced before any handler of this logger sees them."""
    logger.handlers[:] = [BELOW, *(one for one in logger.handlers if one is not BELOW)]


def guard() -> None:
    """Guard the loggers, and those below them that are there by now; done again, it changes nothing."""
    existing = list(logging.root.manager.loggerDict)
    for name in GUARDED:
        top = logging.getLogger(name)
        top.addFilter(_FILTER)
        if top.handlers[:1] != [BELOW]:
            first(top)
        for other in existing:
            if other.startswith(f"{name}."):
                logging.getLogger(other).addFilter(_FILTER)
