"""memvault: a memory layer for LLM applications that redacts, encrypts, scopes, logs and can forget.

from vault import Vault, Principal
"""

from vault import errors
from vault.aio import AsyncSession, AsyncVault
from vault.errors import VaultError
from vault.session import Session, Vault
from vault.types import (
    AddResult,
    DeleteResult,
    Finding,
    Memory,
    Message,
    Page,
    Principal,
    Revision,
    SearchHit,
)

__version__ = "0.1.0"

__all__ = [
    "AddResult",
    "AsyncSession",
    "AsyncVault",
    "DeleteResult",
    "Finding",
    "Memory",
    "Message",
    "Page",
    "Principal",
    "Revision",
    "SearchHit",
    "Session",
    "Vault",
    "VaultError",
    "errors",
]
