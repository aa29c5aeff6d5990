"""From exceptions to exit codes: no traceback and no content ever reaches the terminal.

0 done, 2 usage, 3 denied, 4 hold, 5 verification failed, conflict or refused lines, 6 approval needed, 7 integrity,
8 overdue, 9 not found, 10 unavailable or locked, 11 configuration (VaultError.exit_code); 1 is a bug.
"""

from __future__ import annotations

import contextlib
import difflib
import os
import sys
from collections.abc import Callable
from typing import Any, Final

import typer

from vault.cli import output
from vault.errors import VaultError
from vault.observe.scrub import say
from vault.observe.traces import Where, trace

INTERRUPTED: Final = 130  # 128 + SIGINT, as a shell reports it
PIPE: Final = 141  # 128 + SIGPIPE
USAGE: Final = 2
FAILED: Final = 5
APPROVAL: Final = "approval.missing"  # a denial that another person can lift
APPROVAL_NEEDED: Final = 6

# typer carries its own copy of click from 0.20 on, and imports click before that: the base is the same by name.
_USAGE: Final[type[Exception]] = next(c for c in typer.BadParameter.__mro__ if c.__name__ == "ClickException")


def guarded(run: Callable[[], object], *, as_json: bool) -> int:
    """Run and return the exit code; what went wrong is one line on standard error."""
    try:
        result = run()
        sys.stdout.flush()
    except VaultError as error:
        output.error(error.code, error.message, as_json=as_json)
        return APPROVAL_NEEDED if error.code == APPROVAL else error.exit_code
    except _USAGE as error:
        return _usage(error, as_json=as_json)
    except (KeyboardInterrupt, typer.Abort):
        return INTERRUPTED
    except (BrokenPipeError, SystemExit):
        _drop_output()  # typer and rich turn a broken pipe into an exit of their own, and nothing else
        return PIPE
    except OSError:
        output.error("system", "the operating system refused an operation", as_json=as_json)
        return 10
    except Exception as error:  # noqa: BLE001 - the message may quote content, so only the type is named
        output.error(
            "internal", f"internal error ({type(error).__name__}); please report it", as_json=as_json
        )
        if not as_json:
            say(trace(error, Where.COMMAND))  # where in our code, for the report
        return 1
    return result if isinstance(result, int) else 0


def _drop_output() -> None:
    """The reader went away: what is still buffered goes nowhere, and quietly."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _usage(error: Any, *, as_json: bool) -> int:
    if type(error).__name__ == "NoArgsIsHelpError" and not as_json:
        error.show()
        return USAGE
    context = getattr(error, "ctx", None)
    where = f"; see {context.command_path} --help" if context is not None else ""
    output.error("usage", _sentence(error, context) + where, as_json=as_json)
    return USAGE


def _sentence(error: Any, context: Any) -> str:
    """What is wrong with the command line, without quoting it: an argument may be somebody's memory."""
    kind, message = type(error).__name__, str(getattr(error, "message", ""))
    if kind == "NoSuchOption":
        return "there is no such option" + _close(error.option_name, error.possibilities or ())
    if kind == "BadOptionUsage":
        return f"option {error.option_name} is used wrongly"
    if kind == "MissingParameter":
        return f"{_parameter(error)} is missing"
    if kind == "BadParameter":
        return f"the value of {_parameter(error)} is not valid"
    if message.startswith("No such command"):
        commands = getattr(getattr(context, "command", None), "commands", {})
        typed = message.partition("'")[2].partition("'")[0]
        return "there is no such command" + _close(typed, commands)
    if message.startswith("Got unexpected extra"):
        return "there are more arguments than the command takes (quote a text with blanks)"
    if message.startswith("Missing command"):
        return "name a command"
    return "the command line is not valid"


def _parameter(error: Any) -> str:
    parameter = error.param
    if parameter is None:
        return "a value"
    name = next((option for option in parameter.opts if option.startswith("--")), None)
    return f"option {name}" if name else f"argument {parameter.metavar or str(parameter.name).upper()}"


def _close(typed: str, names: Any) -> str:
    matches = difflib.get_close_matches(typed, list(names), n=3)
    return f"; did you mean {' or '.join(matches)}?" if matches else ""
