"""Every exception of the vault, grouped by what the caller should do.

    VaultError                     base; `code` is stable, the message never holds content
    ├── ConfigError                fix the configuration and start again
    │   └── PolicyInvalidError
    ├── AuthenticationError        who are you?
    ├── DeniedError                policy said no
    │   ├── PurposeDeniedError
    │   └── QuotaDeniedError
    ├── RejectedError              this content may not be stored
    ├── InvalidInputError          fix the call
    ├── ConflictError              the state changed, or the same key came with another request
    ├── NotFoundError              absent, erased or another tenant's: one answer
    ├── HeldError                  a legal hold forbids it
    ├── IntegrityViolationError    stop and call security; never retry
    │   ├── DecryptionError        one opaque message for every cause
    │   ├── AuditChainError
    │   └── RollbackError
    └── UnavailableError           retry later; nothing was stored or revealed
        ├── KeyProviderError
        ├── DetectorError
        ├── EmbedderError
        ├── EgressError
        ├── VectorIndexError
        ├── AuditWriteError
        └── StorageError

`status` is the HTTP status a server answers with (RFC 9110); `exit_code` is what the command line exits with.
"""

from __future__ import annotations

from typing import ClassVar


class VaultError(Exception):
    """Base of every error the vault raises; `code` is a stable dotted name, `message` is content-free."""

    status: ClassVar[int] = 500
    exit_code: ClassVar[int] = 1

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message

    def __str__(self) -> str:
        return f"{self.message} [{self.code}]"

    def __reduce__(self) -> tuple[type[VaultError], tuple[str, str]]:
        return type(self), (self.code, self.message)


class ConfigError(VaultError):
    """The configuration is wrong or incomplete: fix it and start again."""

    exit_code = 11


class PolicyInvalidError(ConfigError):
    """A policy pack does not load: unknown key, broken rule, relaxed parent, or a required class without detector."""


class AuthenticationError(VaultError):
    """The caller is not who a principal must be."""

    status = 401
    exit_code = 3


class DeniedError(VaultError):
    """The policy pack does not permit this action."""

    status = 403
    exit_code = 3


class PurposeDeniedError(DeniedError):
    """The purpose is not in the pack's vocabulary, or does not allow the action."""


class QuotaDeniedError(DeniedError):
    """The principal asked for more than the pack allows at once."""

    status = 429


class RejectedError(VaultError):
    """This content may not be stored."""

    status = 422
    exit_code = 3


class InvalidInputError(VaultError):
    """An argument is malformed; the message names the argument and the rule, never the value."""

    status = 400
    exit_code = 2


class ConflictError(VaultError):
    """The request contradicts the stored state (an idempotency key reused with another request)."""

    status = 409
    exit_code = 5


class NotFoundError(VaultError):
    """Absent, erased, expired or another tenant's: the answers are equal."""

    status = 404
    exit_code = 9


class HeldError(VaultError):
    """A legal hold forbids removal."""

    status = 409
    exit_code = 4


class IntegrityViolationError(VaultError):
    """Stored bytes are not what the vault wrote: stop, keep the files, call security; never retry."""

    exit_code = 7


class DecryptionError(IntegrityViolationError):
    """A sealed record or wrapped key did not open; one message for every cause."""


class AuditChainError(IntegrityViolationError):
    """The log does not verify: changed, removed, reordered or truncated entries, or a bad signature."""


class RollbackError(IntegrityViolationError):
    """The store is older than the newest checkpoint the keystore knows."""


class UnavailableError(VaultError):
    """Something the operation needs is not there right now; nothing was stored or revealed."""

    status = 503
    exit_code = 10


class KeyProviderError(UnavailableError):
    """The key provider cannot wrap, unwrap or destroy (missing key file, wrong passphrase, lost token)."""


class DetectorError(UnavailableError):
    """The detector failed; what cannot be detected is not stored."""


class EmbedderError(UnavailableError):
    """The embedder failed."""


class EgressError(UnavailableError):
    """A configured service cannot be reached, cannot prove who it is, or answered what was not asked for."""


class VectorIndexError(UnavailableError):
    """The vector index failed."""


class AuditWriteError(UnavailableError):
    """The log entry could not be written, so the operation did not happen."""


class StorageError(UnavailableError):
    """A store is locked, full, read-only or unreadable."""
