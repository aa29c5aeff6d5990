"""A folder of C2SP tlog-tiles: the hashes of a tree, 256 to a file, and its entries in bundles of 256.

What is written is durable on return, and nothing that a written checkpoint needs is ever changed. A partial tile stays
until the full one is there, as the specification asks; of partial bundles only the newest stays: the others are its
beginning, and this is a folder at rest, not a served log.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from vault.audit.merkle import Frontier, leaf_hash, root
from vault.audit.verify import HASH_BYTES, TILE_WIDTH, tile_path
from vault.errors import AuditChainError
from vault.files import convert_os, private_folder, sync_file, sync_folder, write_private

_LEVELS: Final = 8  # a tree of 256^8 entries
_LENGTH_BYTES: Final = 2  # of an entry in a bundle
_LONGEST: Final = 1 << 8 * _LENGTH_BYTES


class Folder:
    """A private folder with private folders in it; `put` writes files, `sync` makes what was written durable.

    Synced together they cost little more than one: a file system writes its journal once.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self._files: set[Path] = set()
        self._folders: set[Path] = set()

    def put(self, name: str, data: bytes) -> None:
        """Write a file under its name, whole or not at all."""
        path = self.root / name
        self._make(path.parent)
        if path.exists():  # what is replaced must not be lost with the new one
            write_private(path, data)
            return
        write_private(path, data, durable=False)
        self._files.add(path)
        self._folders.add(path.parent)

    def _make(self, path: Path) -> None:
        if path.is_dir():
            return
        if path != self.root:
            self._make(path.parent)
        private_folder(path)
        self._folders.update((path, path.parent))

    def sync(self) -> None:
        """Make everything written so far durable."""
        try:
            for path in self._files:
                sync_file(path)
            for path in self._folders:
                sync_folder(path)
        except OSError as error:
            raise convert_os(error) from None
        self._files.clear()
        self._folders.clear()

    def read(self, name: str) -> bytes | None:
        """A file's bytes, or None where there is none."""
        try:
            return (self.root / name).read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise convert_os(error) from None


class Tiles:
    """The tiles and bundles of one log."""

    def __init__(self, folder: Path) -> None:
        self._folder = Folder(folder)

    def frontier(self, size: int) -> Frontier | None:
        """The right edge of the tree of `size`, a multiple of 256; None where a tile of it is missing."""
        made = Frontier()
        for level in range(_LEVELS, 0, -1):
            count = size >> 8 * level
            hashes = self._hashes(level, count // TILE_WIDTH, count % TILE_WIDTH)
            if hashes is None:
                return None
            peaks = Frontier()
            for one in hashes:
                peaks.append(one)
            made.nodes += peaks.nodes
        made.size = size
        return made

    def _hashes(self, level: int, number: int, width: int) -> list[bytes] | None:
        """The first `width` hashes of a tile, partial or full by now; None where there is neither."""
        if width == 0:
            return []
        data = self._either(str(level), number, width)
        if data is None or len(data) < width * HASH_BYTES:
            return None
        return [data[i : i + HASH_BYTES] for i in range(0, width * HASH_BYTES, HASH_BYTES)]

    def _either(self, kind: str, number: int, width: int) -> bytes | None:
        """The tile of this width, or a wider one, which begins with it; None where there is neither."""
        exact = self._folder.read(tile_path(kind, number, width))
        if exact is not None or width == TILE_WIDTH:
            return exact
        full = tile_path(kind, number, TILE_WIDTH)
        partial = (self._folder.root / f"{full}.p").glob("[0-9]*")
        wider = sorted(int(path.name) for path in partial if path.name.isdigit() and int(path.name) > width)
        names = [full, *(tile_path(kind, number, one) for one in wider)]
        return next((data for name in names if (data := self._folder.read(name)) is not None), None)

    def root_at(self, size: int) -> bytes | None:
        """The root of the tree of `size`, from the tiles; None where one is missing."""
        start = size // TILE_WIDTH * TILE_WIDTH
        frontier = self.frontier(start)
        leaves = self._hashes(0, size // TILE_WIDTH, size % TILE_WIDTH)
        if frontier is None or leaves is None:
            return None
        for leaf in leaves:
            frontier.append(leaf)
        return frontier.root()

    def mirror(self, target: Path) -> int:
        """Make another folder hold the same tiles, durable; how many files were written. Tiles never change."""
        there = Folder(target)
        names = {
            str(path.relative_to(self._folder.root))
            for path in (self._folder.root / "tile").rglob("*")
            if path.is_file()
        }
        written = 0
        for name in sorted(name for name in names if not name.endswith(".new")):
            data = self._folder.read(name)
            if data is not None and there.read(name) != data:
                there.put(name, data)
                written += 1
        there.sync()
        return written

    def prune_like(self, target: Path) -> None:
        """Remove from another folder the tiles that are here no more."""
        old = [path for path in (target / "tile").rglob("*") if path.is_file()]
        remove(path for path in old if not (self._folder.root / path.relative_to(target)).is_file())

    def entries(self, start: int, size: int) -> Iterator[bytes]:
        """Entries from number `start` on, of the tree of `size`. Raises AuditChainError where one is missing."""
        at = start // TILE_WIDTH * TILE_WIDTH
        while start < size and at < size:
            width = min(TILE_WIDTH, size - at)
            bundle = self._either("entries", at // TILE_WIDTH, width)
            entries = _unpack(bundle) if bundle is not None else []
            if len(entries) < width:
                raise damaged()
            yield from entries[max(0, start - at) : width]
            at += width

    def extend(self, start: int, bundles: Iterable[list[bytes]]) -> list[Path]:
        """Write the entries from number `start` on, a multiple of 256, in bundles of 256; all but the last are full.

        Returns what can be removed once a checkpoint over them is durable.
        """
        old: list[Path] = []
        hashes: list[bytes] = []
        for number, bundle in enumerate(bundles, start // TILE_WIDTH):
            leaves = [leaf_hash(entry) for entry in bundle]
            old += self._put("entries", number, len(bundle), _pack(bundle))
            old += self._put("0", number, len(bundle), b"".join(leaves))
            if len(bundle) == TILE_WIDTH:
                hashes.append(root(leaves))
        first = start // TILE_WIDTH
        for level in range(1, _LEVELS + 1):
            if not hashes:
                break
            tile, known = divmod(first, TILE_WIDTH)
            row = [*(self._hashes(level, tile, known) or ()), *hashes]
            hashes = []
            for number in range(-(-len(row) // TILE_WIDTH)):
                part = row[number * TILE_WIDTH : (number + 1) * TILE_WIDTH]
                old += self._put(str(level), tile + number, len(part), b"".join(part))
                if len(part) == TILE_WIDTH:
                    hashes.append(root(part))
            first = tile
        self._folder.sync()
        return old

    def _put(self, kind: str, number: int, width: int, data: bytes) -> list[Path]:
        name = tile_path(kind, number, width)
        self._folder.put(name, data)
        if width == TILE_WIDTH:
            return list((self._folder.root / f"{name}.p").glob("*"))
        beside = "*" if kind == "entries" else "*.new"  # what a crash left half written
        path = self._folder.root / name
        return [other for other in path.parent.glob(beside) if other != path]


def remove(paths: Iterable[Path]) -> None:
    """Remove files, and the folders that become empty by it; not durable, since nothing depends on it."""
    try:
        for path in paths:
            path.unlink(missing_ok=True)
            if not any(path.parent.iterdir()):
                path.parent.rmdir()
    except OSError as error:
        raise convert_os(error) from None


def _pack(entries: list[bytes]) -> bytes:
    if any(len(entry) >= _LONGEST for entry in entries):
        raise AuditChainError("archive.entry", "a log entry is longer than a bundle can hold")
    return b"".join(len(entry).to_bytes(_LENGTH_BYTES, "big") + entry for entry in entries)


def _unpack(bundle: bytes) -> list[bytes]:
    entries, at = [], 0
    while at < len(bundle):
        end = at + _LENGTH_BYTES + int.from_bytes(bundle[at : at + _LENGTH_BYTES], "big")
        if end > len(bundle):
            raise damaged()
        entries.append(bundle[at + _LENGTH_BYTES : end])
        at = end
    return entries


def damaged() -> AuditChainError:
    return AuditChainError(
        "archive.damaged",
        "a file of the log archive is missing or changed: put the archive back from a copy of it",
    )
