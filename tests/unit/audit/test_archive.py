"""The log archive: C2SP tiles at every size, the continuation of one log only, and details that can go."""

from __future__ import annotations

import itertools
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from vault import Principal, Session, Vault
from vault.audit import merkle, verify
from vault.audit.archive import TenantArchive
from vault.audit.log import SignedHead
from vault.audit.tiles import Tiles
from vault.audit.verify import TILE_WIDTH, Frontier, leaf_hash, tile_path
from vault.errors import AuditChainError, RollbackError, StorageError

TESSERA = Path(__file__).parents[2] / "vectors" / "third_party" / "tlog-tiles-tessera"


def entries(count: int, start: int = 0) -> list[bytes]:
    return [b"entry %d" % number for number in range(start, start + count)]


def bundles(start: int, size: int) -> Iterator[list[bytes]]:
    for at in range(start, size, TILE_WIDTH):
        yield entries(min(TILE_WIDTH, size - at), at)


def grow(tiles: Tiles, old: int, new: int) -> list[Path]:
    start = old // TILE_WIDTH * TILE_WIDTH
    return tiles.extend(start, bundles(start, new))


def expected(size: int) -> dict[str, bytes]:
    """Every tile and bundle of a tree, from the specification: MTH over 256^level entries each, 256 to a tile."""
    found = {}
    for number in range(-(-size // TILE_WIDTH)):
        part = entries(min(TILE_WIDTH, size - number * TILE_WIDTH), number * TILE_WIDTH)
        name = tile_path("entries", number, len(part))
        found[name] = b"".join(len(e).to_bytes(2, "big") + e for e in part)
    level, hashes = 0, [leaf_hash(entry) for entry in entries(size)]
    while hashes:
        for number in range(-(-len(hashes) // TILE_WIDTH)):
            part = hashes[number * TILE_WIDTH : (number + 1) * TILE_WIDTH]
            found[tile_path(str(level), number, len(part))] = b"".join(part)
        full = [hashes[i : i + TILE_WIDTH] for i in range(0, len(hashes) - TILE_WIDTH + 1, TILE_WIDTH)]
        level, hashes = level + 1, [merkle.root(part) for part in full]
    return found


@pytest.mark.parametrize(
    "sizes",
    [(1,), (255,), (256,), (257,), (3, 255, 256, 258, 600), (70_000,), (65_535, 65_536, 65_537, 66_000)],
)
def test_tiles_are_those_of_the_specification_however_the_log_grew(
    tmp_path: Path, sizes: tuple[int, ...]
) -> None:
    tiles, old = Tiles(tmp_path), 0
    for size in sizes:
        grow(tiles, old, size)
        for name, data in expected(size).items():
            assert (tmp_path / name).read_bytes() == data, name
        assert list(tiles.entries(0, size)) == entries(size)
        assert list(tiles.entries(max(0, size - 300), size)) == entries(min(300, size), max(0, size - 300))
        old = size
    start = old // TILE_WIDTH * TILE_WIDTH
    frontier = tiles.frontier(start)
    whole = Frontier()
    for entry in entries(start):
        whole.append(leaf_hash(entry))
    assert frontier is not None
    assert (frontier.size, frontier.nodes) == (start, whole.nodes)


def test_partial_tiles_go_when_the_full_one_is_there_and_of_bundles_the_newest_stays(tmp_path: Path) -> None:
    from vault.audit.tiles import remove

    tiles = Tiles(tmp_path)
    for old, new in itertools.pairwise((0, 10, 20, 300)):
        remove(grow(tiles, old, new))
        names = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()}
        if new == 20:
            assert {"tile/0/000.p/10", "tile/0/000.p/20", "tile/entries/000.p/20"} == names
    assert names == {
        "tile/0/000", "tile/entries/000", "tile/1/000.p/1", "tile/0/001.p/44", "tile/entries/001.p/44"
    }  # fmt: skip


def test_a_log_of_others_is_written_as_they_wrote_it(tmp_path: Path) -> None:
    """Trillian Tessera's tiles and bundles, byte by byte."""
    size = 15
    theirs = list(Tiles(TESSERA).entries(0, size))
    assert len(theirs) == size
    Tiles(tmp_path).extend(0, [theirs])
    for kind in ("0", "entries"):
        name = tile_path(kind, 0, size)
        assert (tmp_path / name).read_bytes() == (TESSERA / name).read_bytes()


def test_a_missing_tile_is_noticed(tmp_path: Path) -> None:
    tiles = Tiles(tmp_path)
    grow(tiles, 0, 700)
    (tmp_path / "tile/1/000.p/2").unlink()
    assert tiles.frontier(512) is None
    (tmp_path / "tile/entries/001").unlink()
    with pytest.raises(AuditChainError, match="put the archive back"):
        list(tiles.entries(0, 700))


# --- a tenant's archive ------------------------------------------------------------------------------------------


class Living:
    """A vault in use, and the archive of its tenant."""

    def __init__(self, vault: Vault) -> None:
        self.vault = vault
        stages = vault._opened()
        tenant = stages.keystore.tenant("clinic")
        assert tenant is not None
        self.tenant, self.stages = tenant, stages
        self.archive: TenantArchive = stages.stores.archive(tenant)

    def write(self, count: int, user: str = "ana") -> None:
        session_of(self.vault).add_many(
            [{"content": f"Fact {n} of {user}", "user_id": user} for n in range(count)]
        )

    def read(self, count: int, user: str = "ana") -> None:
        for _ in range(count):
            session_of(self.vault).list(user_id=user)

    def sign(self) -> None:
        self.vault.admin(Principal("clinic", "op", ("operator",))).audit_checkpoint()

    def log(self) -> list[Any]:
        with self.stages.stores.use(self.tenant) as store:
            return list(store.records.log())

    def head(self) -> SignedHead:
        with self.stages.stores.use(self.tenant) as store:
            size, note, peaks = store.records.last_checkpoint() or (0, b"", b"")
            return SignedHead(size, merkle.Frontier.from_bytes(peaks).root(), note)

    def sid(self, user: str = "ana") -> bytes:
        found = self.stages.keystore.subject(self.tenant, "user", user)
        assert found is not None
        return found.sid

    def verified(self) -> str:
        keys = self.vault.admin(Principal("clinic", "op", ("operator",))).audit_verify()["vkeys"]
        verifiers = [verify.parse_vkey(key) for key in keys]
        return str(verify.verify_export(self.archive.folder, verifiers).size)


def session_of(vault: Vault) -> Session:
    return vault.session(Principal("clinic", "bot", ("app",)), purpose="service")


@pytest.fixture
def life(make_vault: Callable[..., Vault]) -> Living:
    vault = make_vault(keystore_backup="none")
    session_of(vault).add("The first fact", user_id="ana")
    return Living(vault)


def test_what_is_signed_is_archived_first_and_verifies_without_the_vault(life: Living) -> None:
    for reads in (3, 260, 5):
        life.read(reads)
        life.sign()
        head = life.archive.head()
        assert head is not None
        assert (head.size, life.archive.note()) == (life.head().size, life.head().note)
        log = life.log()[: head.size]
        assert list(life.archive.entries(0, head.size)) == [row.entry for row in log]
        details = list(life.archive.details(0, head.size))
        assert [(one.seq, one.blob) for one in details] == [(row.seq, row.detail) for row in log]
        assert {one.sid for one in details} == {None, life.sid()}
        assert life.verified() == str(head.size)


def test_closing_a_vault_leaves_nothing_unarchived(life: Living) -> None:
    life.write(3)
    size = len(life.log())
    archive = life.archive
    life.vault.close()
    assert verify.parse_checkpoint(archive.note().decode().split("\n\n")[0] + "\n").size == size + 1  # type: ignore[union-attr]


def test_a_vault_from_before_the_archive_fills_it_at_the_next_signing(life: Living) -> None:
    life.read(300)
    life.sign()
    shutil.rmtree(life.archive.folder)
    assert life.archive.head() is None
    life.read(1)
    life.sign()
    assert int(life.verified()) == life.head().size


def test_an_archive_that_a_crash_left_behind_or_half_written_is_completed(
    life: Living, tmp_path: Path
) -> None:
    life.read(250)
    life.sign()
    shutil.copytree(life.archive.folder, tmp_path / "before")
    life.read(400)
    life.sign()
    checkpoint = (tmp_path / "before" / "checkpoint").read_bytes()
    (life.archive.folder / "checkpoint").write_bytes(checkpoint)  # tiles and details, but not the checkpoint
    life.sign()
    assert int(life.verified()) == life.head().size
    shutil.rmtree(life.archive.folder)
    shutil.copytree(tmp_path / "before", life.archive.folder)  # nothing at all of the later ones
    life.sign()
    assert int(life.verified()) == life.head().size
    assert len(list(life.archive.details(0, life.head().size))) == life.head().size


def test_tiles_that_are_lost_are_made_again(life: Living) -> None:
    life.read(520)
    life.sign()
    for path in (life.archive.folder / "tile").iterdir():
        shutil.rmtree(path)
    life.read(1)
    life.sign()
    assert int(life.verified()) == life.head().size


def test_two_logs_of_one_beginning_are_not_mixed(life: Living, tmp_path: Path) -> None:
    """An archive that went another way than the records is refused, and stays as it is."""
    life.read(3)
    life.sign()
    folder = life.vault.folder
    life.vault.close()
    shutil.copytree(folder, tmp_path / "other", ignore=shutil.ignore_patterns("*.lock"))
    for place, reads in ((folder, 5), (tmp_path / "other", 9)):
        with Vault.open(place) as vault:
            Living(vault).read(reads)
    shutil.rmtree(folder / "archive")
    shutil.copytree(tmp_path / "other" / "archive", folder / "archive")
    kept = {path: path.read_bytes() for path in (folder / "archive").rglob("*") if path.is_file()}
    with pytest.raises(RollbackError) as caught, Vault.open(folder) as vault:
        Living(vault).read(1)
    assert caught.value.code == "archive.ahead"
    assert {path: path.read_bytes() for path in kept} == kept


def test_a_shorter_archive_of_another_way_is_refused_too(life: Living, tmp_path: Path) -> None:
    life.read(3)
    folder = life.vault.folder
    life.vault.close()
    shutil.copytree(folder, tmp_path / "other", ignore=shutil.ignore_patterns("*.lock"))
    with Vault.open(tmp_path / "other") as vault:
        Living(vault).read(2)
    with Vault.open(folder) as vault:
        Living(vault).read(50)
    shutil.rmtree(folder / "archive")
    shutil.copytree(tmp_path / "other" / "archive", folder / "archive")
    with Vault.open(folder) as vault, pytest.raises(RollbackError) as caught:
        Living(vault).read(1)
    assert caught.value.code == "archive.forked"


def test_an_archive_of_another_tenant_or_key_is_refused(life: Living, tmp_path: Path) -> None:
    life.sign()
    session = life.vault.session(Principal("bank", "bot", ("app",)), purpose="service")
    session.add("A fact of the bank", user_id="ana")
    bank = life.stages.keystore.tenant("bank")
    assert bank is not None
    life.vault.admin(Principal("bank", "op", ("operator",))).audit_checkpoint()
    theirs = life.stages.stores.archive(bank).folder
    shutil.rmtree(life.archive.folder)
    shutil.copytree(theirs, life.archive.folder)
    with pytest.raises(AuditChainError):
        life.archive.head()


def test_an_archive_that_cannot_be_written_is_written_later(life: Living) -> None:
    life.read(2)
    life.sign()
    life.archive.folder.parent.rename(life.archive.folder.parent.with_name("away"))
    (life.vault.folder / "archive").write_text("a file where the folder should be")
    with pytest.raises(StorageError):
        life.sign()
    known = life.stages.keystore.checkpoint(life.tenant.tid)
    assert known is None or known.size < life.head().size  # the keystore never knows more than the archive
    (life.vault.folder / "archive").unlink()
    (life.vault.folder / "away").rename(life.vault.folder / "archive")
    life.sign()
    assert int(life.verified()) == life.head().size


# --- copies ------------------------------------------------------------------------------------------------------


def copy(life: Living, to: Path) -> int:
    return int(life.vault.admin(Principal("clinic", "op", ("operator",))).backup_archive(to)["written"])


def test_a_copy_is_brought_up_to_date_and_verifies(life: Living, tmp_path: Path) -> None:
    for reads in (300, 3, 260):
        life.read(reads)
        life.sign()
        assert copy(life, tmp_path / "copy") > 0
        there = TenantArchive(tmp_path / "copy", life.tenant)
        head = there.head()
        assert head is not None
        assert head.size == life.head().size
        keys = life.vault.admin(Principal("clinic", "op", ("operator",))).audit_verify()["vkeys"]
        assert verify.verify_export(there.folder, [verify.parse_vkey(key) for key in keys]).size == head.size
        assert list(there.details(0, head.size)) == list(life.archive.details(0, head.size))
    names = {path.relative_to(there.folder) for path in there.folder.rglob("*") if path.is_file()}
    here = {
        path.relative_to(life.archive.folder) for path in life.archive.folder.rglob("*") if path.is_file()
    }
    assert names == {name for name in here if name.suffix != ".lock"}


def test_what_an_erasure_takes_goes_from_the_copy_too(life: Living, tmp_path: Path) -> None:
    life.read(3)
    life.sign()
    copy(life, tmp_path / "copy")
    assert TenantArchive(tmp_path / "copy", life.tenant).left(life.sid()) > 0
    life.archive.forget(life.sid())
    copy(life, tmp_path / "copy")
    assert TenantArchive(tmp_path / "copy", life.tenant).left(life.sid()) == 0


def test_a_copy_that_knows_more_is_not_overwritten(life: Living, tmp_path: Path) -> None:
    life.read(3)
    life.sign()
    older = tmp_path / "older"
    shutil.copytree(life.archive.folder, older)
    life.read(300)
    life.sign()
    copy(life, tmp_path / "copy")
    life.vault.close()
    shutil.rmtree(life.archive.folder)
    shutil.copytree(older, life.archive.folder)
    before = {path: path.read_bytes() for path in (tmp_path / "copy").rglob("*") if path.is_file()}
    with Vault.open(life.vault.folder) as again, pytest.raises(RollbackError):
        Living(again).archive.copy_to(tmp_path / "copy")
    assert {path: path.read_bytes() for path in (tmp_path / "copy").rglob("*") if path.is_file()} == before


# --- details -----------------------------------------------------------------------------------------------------


def test_details_of_an_erased_subject_go_and_the_entries_stay(life: Living) -> None:
    life.write(2, "ben")
    life.read(300, "ben")
    life.read(200)
    life.sign()
    ben, ana = life.sid("ben"), life.sid()
    about = life.archive.left(ben)
    assert about > 300
    before = list(life.archive.details(0, life.head().size))
    assert life.archive.forget(ben) == about
    assert life.archive.left(ben) == 0
    assert life.archive.forget(ben) == 0
    after = list(life.archive.details(0, life.head().size))
    assert [one for one in after if one.sid == ana] == [one for one in before if one.sid == ana]
    assert [one.seq for one in after] == [one.seq for one in before]
    assert int(life.verified()) == life.head().size


def test_details_sealed_anew_take_the_place_of_the_old_ones(life: Living) -> None:
    life.read(260)
    life.sign()
    before = {one.seq: one.blob for one in life.archive.details(0, life.head().size) if one.sid}
    life.vault.admin(Principal("clinic", "op", ("operator",))).keys_rotate("subject")
    after = {one.seq: one.blob for one in life.archive.details(0, life.head().size) if one.sid}
    stored = {row.seq: row.detail for row in life.log() if row.s is not None}
    assert all(after[seq] != blob for seq, blob in before.items())
    assert all(after[seq] == stored[seq] for seq in before)


def test_a_removed_tenant_leaves_entries_and_no_detail(life: Living) -> None:
    life.read(600)
    life.sign()
    size = life.head().size
    assert life.archive.forget_tenant() == -(-size // TILE_WIDTH)
    assert list(life.archive.details(0, size)) == []
    assert len(list(life.archive.entries(0, size))) == size


def test_a_changed_bundle_of_details_does_not_open(life: Living) -> None:
    life.read(5)
    life.sign()
    path = life.archive.folder / "details" / "000"
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    with pytest.raises(AuditChainError, match="put the archive back"):
        list(life.archive.details(0, 3))


def test_nothing_in_the_archive_ties_a_persons_entries_together(life: Living) -> None:
    """Without the keystore: neither subject ids nor key ids are in any file."""
    life.read(3)
    life.sign()
    subject = life.stages.keystore.subject(life.tenant, "user", "ana")
    assert subject is not None
    for path in life.archive.folder.rglob("*"):
        data = path.read_bytes() if path.is_file() else b""
        assert subject.sid not in data, path
        assert subject.kid not in data, path


def test_large_details_are_sealed_in_parts(life: Living) -> None:
    from vault.audit.details import Detail, Details

    details = Details(life.archive.folder, life.tenant)
    given = [Detail(seq, bytes([seq]) * 16, b"x" * 700_000) for seq in range(1, 8)]
    details.write(3, given)
    details.sync()
    assert details.read(3) == given
    assert details.read(4) == []
