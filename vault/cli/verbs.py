"""What every verb shares: its options, which vault they mean, and a session or an admin on it.

A verb is a function whose first parameter is a `Call`; `verb` registers it and adds the shared options, which may stand
before the verb or after it. Nothing here imports more than typer until a vault is opened.
"""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from vault.cli.output import Output
from vault.errors import DeniedError
from vault.observe.scrub import speak
from vault.types import Principal

if TYPE_CHECKING:
    from vault.admin import Admin
    from vault.config import VaultConfig
    from vault.policy.decide import Policy
    from vault.session import Session, Vault

CONFIG_NAME: Final = "memvault.toml"  # vault.config.FILE_NAME, without importing pydantic for it
ENVIRONMENT: Final = "MEMVAULT_VAULT"
OPERATOR: Final = ("operator", "operations")
AUDITOR: Final = ("auditor", "audit")
PRIVACY: Final = ("privacy", "rights-request")
_PANEL: Final = "Options of every command"

Function = Callable[..., None]


@dataclass(frozen=True, slots=True)
class Asked:
    """The shared options as given; None or empty where not given."""

    vault: Path | None = None
    tenant: str | None = None
    user: str | None = None
    purpose: str | None = None
    roles: tuple[str, ...] = ()
    json: bool = False

    def then(self, later: Asked) -> Asked:
        """What stands after the verb wins over what stands before it; an empty text counts as given, and is refused."""
        pairs = ((getattr(later, f.name), getattr(self, f.name)) for f in fields(self))
        return Asked(*(before if late in (None, (), False) else late for late, before in pairs))


def _shared(
    vault: Annotated[
        Path | None,
        typer.Option(
            "--vault",
            metavar="FOLDER",
            rich_help_panel=_PANEL,
            help=f"Folder of the vault. Default: {ENVIRONMENT}, else the nearest folder upwards with one.",
        ),
    ] = None,
    tenant: Annotated[
        str | None, typer.Option("--tenant", metavar="NAME", rich_help_panel=_PANEL, help="Tenant to act in.")
    ] = None,
    user: Annotated[
        str | None,
        typer.Option("--user", metavar="ID", rich_help_panel=_PANEL, help="User the memories are about."),
    ] = None,
    purpose: Annotated[
        str | None,
        typer.Option("--purpose", metavar="WORD", rich_help_panel=_PANEL, help="Why, in the pack's words."),
    ] = None,
    role: Annotated[
        list[str] | None,
        typer.Option(
            "--role", metavar="ROLE", rich_help_panel=_PANEL, help="Role to act in; may be repeated."
        ),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", rich_help_panel=_PANEL, help="One JSON document on standard output.")
    ] = False,
) -> Asked:
    return Asked(vault, tenant, user, purpose, tuple(role or ()), as_json)


_SHARED: Final = inspect.signature(_shared, eval_str=True).parameters
_CONTEXT: Final = inspect.Parameter("ctx", inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=typer.Context)


def with_shared(
    function: Callable[..., None], handle: Callable[[typer.Context, Asked, dict[str, Any]], None]
) -> Function:
    """A function for typer: the parameters of `function` but its first, then the shared options."""
    own = list(inspect.signature(function, eval_str=True).parameters.values())[1:]
    parameters = [_CONTEXT, *(p.replace(kind=p.KEYWORD_ONLY) for p in (*own, *_SHARED.values()))]

    def run(ctx: typer.Context, **values: Any) -> None:
        asked = _shared(**{name: values.pop(name) for name in _SHARED})
        handle(ctx, asked, values)

    run.__name__ = function.__name__
    run.__doc__ = function.__doc__
    run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    run.__annotations__ = {p.name: p.annotation for p in parameters}
    return run


def verb(app: typer.Typer, name: str, *, panel: str | None = None) -> Callable[[Function], Function]:
    """Register a verb under `name`; its docstring is its help."""

    def register(function: Function) -> Function:
        def handle(ctx: typer.Context, asked: Asked, values: dict[str, Any]) -> None:
            before = ctx.find_root().obj
            call = Call(before.then(asked) if isinstance(before, Asked) else asked)
            function(call, **values)

        app.command(name, rich_help_panel=panel)(with_shared(function, handle))
        return function

    return register


class Call:
    """One run of one verb: what was asked, the defaults of the vault's configuration, and where answers go."""

    def __init__(self, asked: Asked) -> None:
        self.asked = asked
        self.out = Output(as_json=asked.json)

    @cached_property
    def folder(self) -> Path:
        return self.asked.vault or find_vault(Path.cwd())

    @cached_property
    def config(self) -> VaultConfig:
        from vault.config import VaultConfig

        return VaultConfig.load(self.folder)

    def tenant(self, vault: Vault) -> str:
        """The tenant asked for, else the configured one, else the vault's only one, else `default`."""
        return self.asked.tenant or self.config.cli.tenant or vault.only_tenant() or "default"

    def user(self, *others: str | None) -> str | None:
        """The user asked for; the configured one only where no other scope id is given."""
        if self.asked.user is not None or any(other is not None for other in others):
            return self.asked.user
        return self.config.cli.user

    def principal(self, vault: Vault, role: str | None = None) -> Principal:
        """The operating-system user, in the roles asked for, else `role`, else the configured ones."""
        roles = self.asked.roles or ((role,) if role is not None else self.config.cli.roles)
        return Principal(self.tenant(vault), system_user(), roles)

    @contextmanager
    def opened(self) -> Iterator[Vault]:
        from vault.session import Vault

        self.listen()
        with Vault.open(self.folder) as vault:
            yield vault

    def listen(self) -> None:
        """Write events to standard error where the configuration wants them; a command says louder ones itself."""
        logs = self.config.logs
        if logs.level in ("info", "debug"):
            speak(logs.format, logs.level)

    @contextmanager
    def session(
        self, action: str, *, scoped: bool = False, who: tuple[str | None, str | None] = (None, None)
    ) -> Iterator[Session]:
        """A session of the caller; bound to the user asked for, unless the verb is `scoped` and names it itself.

        `who` is the role and the purpose where none is asked for, else they are the configured ones.
        """
        with self.opened() as vault, self.explaining(action):
            purpose = self.asked.purpose or who[1] or self.config.cli.purpose
            bound = None if scoped else self.user()
            yield vault.session(self.principal(vault, who[0]), purpose=purpose, user_id=bound)

    @contextmanager
    def admin(self, action: str, who: tuple[str, str] = OPERATOR) -> Iterator[Admin]:
        """Upkeep as the operator (or auditor), unless a role or a purpose is asked for."""
        with self.opened() as vault, self.explaining(action):
            yield vault.admin(self.principal(vault, who[0]), purpose=self.asked.purpose or who[1])

    def policy(self) -> Policy:
        """The pack this vault is configured with."""
        from vault.policy.pack import load

        name = self.config.policy.pack
        return load(self.folder / name if name.startswith((".", "/")) else name)

    @contextmanager
    def explaining(self, action: str) -> Iterator[None]:
        """A denial says which roles and purposes the pack permits the action to."""
        try:
            yield
        except DeniedError as error:
            raise type(error)(error.code, error.message + self._who_may(action)) from None

    def _who_may(self, action: str) -> str:
        from vault.policy.decide import Request

        policy = self.policy()
        able = [
            f"--role {role} --purpose {purpose}"
            for role in policy.roles
            for purpose in policy.purposes
            if policy.decide(Request(action, purpose, (role,))).permit
        ]
        return f"; permitted with {', or '.join(able)}" if able else "; the pack permits it to nobody"


def find_vault(start: Path) -> Path:
    """The folder named by the environment, else the nearest one upwards that holds a vault, else `start`."""
    named = os.environ.get(ENVIRONMENT)
    if named:
        return Path(named)
    for folder in (start, *start.parents):
        if (folder / CONFIG_NAME).is_file():
            return folder
    return start


def system_user() -> str:
    """The name of the user this process really runs as; variables such as USER are not asked."""
    try:
        import pwd

        return pwd.getpwuid(os.getuid()).pw_name
    except (ImportError, KeyError):
        return f"uid-{os.getuid()}" if hasattr(os, "getuid") else os.getlogin()
