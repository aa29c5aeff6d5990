"""A PKCS#11 token as this process sees it: its module loaded once, one session, logged in; lost sessions are reopened.

The driver starts a module without telling it of threads, so that every call to one module goes through one thread,
whoever asks. A module is shut down when nobody here has a session on it any more, and started again by the next use: a
token that was plugged in, repaired or restarted meanwhile is seen then. Needs the extra `memvault[hsm]`.

Login belongs to the process, not to a session: whoever logs out logs everybody out, and private objects then look as if
they were not there. So an empty answer counts only in a session that was opened for the question (`Unseen`).
"""

from __future__ import annotations

import importlib
import os
import threading
import weakref
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

from vault.crypto.primitives import wipe
from vault.errors import ConfigError, KeyProviderError
from vault.keys.bounded import BoundedCalls

if TYPE_CHECKING:
    from pkcs11 import PKCS11Error, Session, Token

T = TypeVar("T")
PinSource = Callable[[], bytearray]
Action = Callable[["Session", bool], T]
SERIAL: Final = "serial:"  # before a serial number, where a token is not named by its label


class Unseen(Exception):  # noqa: N818 - no failure: it asks for a new session
    """Nothing was found by a session that may have been logged out; asked again in a new one."""


def driver() -> Any:
    """The module `pkcs11`; raises ConfigError `keys.extra_missing` where python-pkcs11 is not installed."""
    try:
        return importlib.import_module("pkcs11")
    except ImportError:
        raise ConfigError(
            "keys.extra_missing", "the key provider `pkcs11` needs the extra memvault[hsm]"
        ) from None


class Module:
    """One PKCS#11 module in this process, and the thread that calls it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.calls = BoundedCalls("memvault-pkcs11")
        self.devices: dict[str, Device] = {}
        self._library: Any = None
        self._inherited = False
        self._abandoned = 0

    def library(self) -> Any:
        """The module, loaded and started."""
        if not self.path.is_file():
            raise KeyProviderError("keys.module_missing", "there is no PKCS#11 module at keys.pkcs11.module")
        try:
            self._library = driver().lib(str(self.path))
        except driver().PKCS11Error:
            raise KeyProviderError(
                "keys.module_unusable",
                "the PKCS#11 module does not load or does not start; its own configuration or log may say why",
            ) from None
        return self._library

    def settle(self) -> None:
        """Drop sessions of another time: from before a fork, or from before a call that was given up on."""
        if self._inherited:
            self._inherited = False  # the parent's sessions are not ours to close
            self._shut_down()
        if self._abandoned != self.calls.abandoned:
            self._abandoned = self.calls.abandoned
            for device in tuple(self.devices.values()):
                device.drop()

    def rest(self) -> None:
        """Shut the module down when no session of ours is left."""
        if not any(device.session is not None for device in tuple(self.devices.values())):
            self._shut_down()

    def _shut_down(self) -> None:
        if self._library is not None:
            with suppress(driver().PKCS11Error):  # a module that noticed the fork has nothing to shut down
                self._library.finalize()

    def forked(self) -> None:
        self.calls.forked()
        self._inherited = self._library is not None
        self._abandoned = self.calls.abandoned
        for device in tuple(self.devices.values()):
            device.session = None
            device.users.clear()


class Device:
    """One token. `call` runs an action in its session; `leave` says that a user needs it no longer."""

    def __init__(self, module: Module, name: str) -> None:
        self._module = module
        self._name = name
        self.session: Session | None = None
        self.users: weakref.WeakSet[object] = weakref.WeakSet()

    def call(self, user: object, pin: PinSource, action: Action[T], timeout_s: float) -> T:
        """The result of `action(session, fresh)`; once more in a new session where an old one was lost.

        `action` may raise the driver's errors, and `Unseen` where the session is not fresh. Raises KeyProviderError,
        and ConfigError where the PIN cannot be read.
        """
        return self._module.calls.run(lambda: self._attempt(user, pin, action), timeout_s)

    def leave(self, user: object, timeout_s: float) -> None:
        """Log out and let go of the module when the last user leaves; what a hung token keeps is not waited for."""
        with suppress(KeyProviderError):
            if user in self.users:
                self._module.calls.run(lambda: self._leave(user), timeout_s)
            if not any(device.users for device in tuple(self._module.devices.values())):
                self._module.calls.stop()

    def _attempt(self, user: object, pin: PinSource, action: Action[T]) -> T:
        pkcs11 = driver()
        self._module.settle()
        if user not in self.users:
            self.drop()  # the token itself checks a newcomer's PIN; the others log in again when they need to
        while True:
            fresh = self.session is None
            try:
                session = self.session or self._open(pin)
                self.users.add(user)
                return action(session, fresh)
            except (pkcs11.PKCS11Error, Unseen) as error:
                self.drop()
                if fresh:
                    raise _failure(error) from None

    def _leave(self, user: object) -> None:
        self._module.settle()
        self.users.discard(user)
        if not self.users:
            self.drop()

    def drop(self) -> None:
        """Forget the session; called in the module's thread."""
        session, self.session = self.session, None
        if session is not None:
            with suppress(driver().PKCS11Error):  # it may be lost already
                session.close()
        self._module.rest()

    def _open(self, pin: PinSource) -> Session:
        try:
            self.session = session = self._log_in(pin)
        finally:
            self._module.rest()  # a module that was started in vain is started afresh the next time
        return session

    def _log_in(self, pin: PinSource) -> Session:
        pkcs11 = driver()
        token = self._find()
        _check_pin_state(token)
        secret = pin()
        try:
            return token.open(rw=True, user_pin=_Pin(secret))
        except pkcs11.UserAlreadyLoggedIn:  # by other code of this process; its login is everybody's
            return token.open(rw=True)
        except (pkcs11.PinIncorrect, pkcs11.PinInvalid, pkcs11.PinLenRange):
            raise KeyProviderError("keys.pin", "the PIN does not open the PKCS#11 token") from None
        except (pkcs11.PinExpired, pkcs11.UserPinNotInitialized):
            raise KeyProviderError(
                "keys.pin_unset", "the PKCS#11 token has no user PIN yet, or wants a new one"
            ) from None
        except pkcs11.PinLocked:
            raise _locked() from None
        finally:
            wipe(secret)

    def _find(self) -> Token:
        """The one token of that name. A slot that fails does not hide the token in another."""
        pkcs11 = driver()
        found: list[Token] = []
        for slot in self._module.library().get_slots(token_present=True):
            with suppress(pkcs11.PKCS11Error):
                token: Token = slot.get_token()
                if self._name in (token.label, SERIAL + token.serial.decode("ascii", "replace").strip()):
                    found.append(token)
        if not found:
            raise KeyProviderError("keys.token_missing", "the PKCS#11 token that is configured is not there")
        if len(found) > 1:
            raise KeyProviderError(
                "keys.token_ambiguous",
                "several PKCS#11 tokens have that label; name one by `serial:` and its serial number",
            )
        return found[0]


class _Pin:
    """A PIN that can be wiped: the driver asks for its bytes by `encode`, and takes any buffer."""

    def __init__(self, secret: bytearray) -> None:
        self._secret = secret

    def encode(self, _encoding: str) -> bytearray:
        return self._secret


def _check_pin_state(token: Token) -> None:
    """Do not spend the last attempt: a service that restarts in a loop would lock the token for everybody."""
    flags = driver().TokenFlag
    if token.flags & flags.USER_PIN_LOCKED:
        raise _locked()
    if token.flags & flags.USER_PIN_FINAL_TRY:
        raise KeyProviderError(
            "keys.pin_last_try",
            "one more wrong PIN would lock the PKCS#11 token, so none was tried; log in once with its own tool",
        )


def _locked() -> KeyProviderError:
    return KeyProviderError(
        "keys.pin_locked", "the PKCS#11 token is locked after wrong PINs; its security officer can unlock it"
    )


def _failure(error: PKCS11Error | Unseen) -> KeyProviderError:
    """What to tell the operator; the driver's texts stay out, its names of return codes are safe."""
    pkcs11, said = driver(), type(error).__name__
    causes = {
        (pkcs11.TokenNotPresent, pkcs11.TokenNotRecognised, pkcs11.DeviceRemoved, pkcs11.SlotIDInvalid): (
            KeyProviderError("keys.token_missing", f"the PKCS#11 token was removed ({said})")
        ),
        (pkcs11.DeviceMemory, pkcs11.HostMemory, pkcs11.SessionCount): KeyProviderError(
            "keys.token_full", f"the PKCS#11 token has no room for another key, object or session ({said})"
        ),
        (pkcs11.TokenWriteProtected, pkcs11.SessionReadOnly): KeyProviderError(
            "keys.token_readonly", f"the PKCS#11 token is write-protected ({said})"
        ),
        (
            *(pkcs11.MechanismInvalid, pkcs11.MechanismParamInvalid, pkcs11.FunctionNotSupported),
            *(pkcs11.TemplateInconsistent, pkcs11.AttributeTypeInvalid, pkcs11.AttributeValueInvalid),
        ): unsuitable(said),
    }
    for kinds, failure in causes.items():
        if isinstance(error, kinds):
            return failure
    return KeyProviderError(
        "keys.token_failed", f"the PKCS#11 token failed, and again in a new session ({said})"
    )


def unsuitable(what: str) -> KeyProviderError:
    """The token cannot be what the vault needs; `what` names the return code or the property."""
    return KeyProviderError(
        "keys.token_unsuitable",
        "the PKCS#11 token lacks what memvault needs: AES-256 keys that never leave it, AES-GCM with a given IV, "
        f"private data objects ({what})",
    )


_modules: dict[Path, Module] = {}
_registering = threading.Lock()


def device(module: Path, token: str) -> Device:
    """The token of that label, or of `serial:` and a serial number, behind a module; the same object for everybody."""
    with _registering:
        known = _modules.setdefault(module, Module(module))
        return known.devices.setdefault(token, Device(known, token))


def _forked() -> None:
    global _registering  # noqa: PLW0603 - a thread of the parent may have held it
    _registering = threading.Lock()
    for module in _modules.values():
        module.forked()


os.register_at_fork(after_in_child=_forked)
