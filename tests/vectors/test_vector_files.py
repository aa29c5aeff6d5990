"""The third-party vectors are the files their sources published."""

from __future__ import annotations

import hashlib

from vector_files import THIRD_PARTY

OURS = {"README.md", "SHA256SUMS"}


def test_every_vector_file_has_the_digest_on_record() -> None:
    recorded = {
        name: digest
        for digest, name in (
            line.split("  ", 1) for line in (THIRD_PARTY / "SHA256SUMS").read_text("ascii").splitlines()
        )
    }
    found = {
        path.relative_to(THIRD_PARTY).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in THIRD_PARTY.rglob("*")
        if path.is_file() and path.name not in OURS
    }
    assert found == recorded
    assert len(found) == 85
