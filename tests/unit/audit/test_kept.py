"""A vault's own log against checkpoints kept elsewhere: what shows that everything was put back at once."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from support.calls import session_of

from vault import Principal, Vault
from vault.audit.note import Checkpoint, sign_note
from vault.errors import AuditChainError, RollbackError


def test_the_log_extends_what_was_kept(clinic: Vault) -> None:
    admin = clinic.admin(Principal("clinic", "op", ("operator",)))
    session_of(clinic, user_id="u").add("Prefers tea.")
    kept = [admin.audit_checkpoint().encode() for _ in range(3)]
    assert admin.audit_verify(since=kept)["kept"] == 3
    assert "kept" not in admin.audit_verify()


def test_a_rollback_of_everything_shows_against_a_kept_checkpoint_only(tmp_path: Path) -> None:
    """Folder and key put back together: the vault itself cannot tell, whoever kept a checkpoint can."""
    who = Principal("clinic", "op", ("operator",))
    with Vault.init(tmp_path / "clinic", key_folder=tmp_path / "keys", keystore_backup="none") as vault:
        session_of(vault, user_id="u").add("Prefers tea.")
    for name in ("clinic", "keys"):
        shutil.copytree(tmp_path / name, tmp_path / f"old-{name}")
    with Vault.open(tmp_path / "clinic") as vault:
        session_of(vault, user_id="u").add("Prefers coffee now.")
        kept = vault.admin(who).audit_checkpoint().encode()
    for name in ("clinic", "keys"):
        shutil.rmtree(tmp_path / name)
        (tmp_path / f"old-{name}").rename(tmp_path / name)
    with Vault.open(tmp_path / "clinic") as vault:
        admin = vault.admin(who)
        admin.audit_verify()
        with pytest.raises(RollbackError) as caught:
            admin.audit_verify(since=[kept])
        assert caught.value.code == "audit.rolled_back"
        for _ in range(8):  # the log goes on, another way
            session_of(vault, user_id="u").add("Prefers tea.")
        admin.audit_checkpoint()
        with pytest.raises(RollbackError) as caught:
            admin.audit_verify(since=[kept])
        assert caught.value.code == "audit.forked"


def test_checkpoints_of_others_are_refused(clinic: Vault) -> None:
    admin = clinic.admin(Principal("clinic", "op", ("operator",)))
    session_of(clinic, user_id="u").add("Prefers tea.")
    own = admin.audit_checkpoint().encode()
    stages = clinic._opened()
    with stages.stores.use(stages.tenant("clinic")) as store:
        origin, signers = store.log.origin, store.log.signers()
    other = clinic.admin(Principal("bank", "op", ("operator",)))
    session_of(clinic, "bank", user_id="u").add("Prefers cash.")
    theirs = other.audit_checkpoint().encode()
    for note in (theirs, own.replace(b"\n\n", b"\nx\n\n"), b"nonsense"):
        with pytest.raises(AuditChainError):
            admin.audit_verify(since=[own, note])
    forged = sign_note(Checkpoint(origin, 1, bytes(32)), signers)
    with pytest.raises(RollbackError):
        admin.audit_verify(since=[forged])
