"""Points: how an index reads a subject's vectors and terms, and the blocks that make the first read quick.

Each point is sealed by itself, with the vector of the model in force; during a `reembed` with the next model's too.
Once all numbers of a block were given out, its points are sealed a second time in one piece, beside them and in the
same transaction; whoever changes one drops that block and seals it anew. A block is never older than its points, and
reading without blocks gives the same answer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace

from vault.errors import DecryptionError, IntegrityViolationError
from vault.flows.bodies import open_value, open_values, seal_value
from vault.flows.ids import place
from vault.flows.vectors import model_in_force
from vault.index.interface import Place
from vault.index.points import (
    Point,
    Points,
    join_points,
    models_of,
    pack_block,
    unpack_block,
    unpack_point,
    unpack_points,
)
from vault.index.protect import Veil
from vault.keys.keyring import SubjectKeys, TenantKeys
from vault.records.interface import BLOCK, THERE, BlockRow, MemoryRow, RecordStore


def block_id(s: int, b: int) -> bytes:
    return b"block" + place(s, b)


def place_of(tenant: TenantKeys, sid: bytes) -> Place:
    """The stand-ins of a tenant and of a subject in an index kept elsewhere: HMACs under the tenant's `tags` key."""
    return Place(tenant.tag("index", "").hex(), tenant.tag("index", sid.hex()).hex())


def veil_of(subject: SubjectKeys, generation: int, dimension: int) -> Veil:
    """The transform of one generation; raises DecryptionError where its key was destroyed."""
    key = subject.key("index", generation)
    if key is None:
        raise DecryptionError("record.unreadable", "a sealed record does not open")
    return Veil(key, dimension)


class StoredPoints:
    """Reads and unseals one subject's points for the index, in the records or elsewhere."""

    def __init__(self, tenant: TenantKeys, subject: SubjectKeys, records: RecordStore) -> None:
        self._tenant = tenant
        self._subject = subject
        self._records = records
        self.model = model_in_force(records)
        row = records.subject(subject.sid)
        self.s = row.s if row else 0
        self._position = (row.changes, row.next_n) if row else (0, 1)
        self.doubts: dict[str, set[bytes]] = {}
        self.expected = 0  # how many points the index elsewhere had, when it was asked

    @property
    def key(self) -> tuple[bytes, ...]:
        return self._tenant.tid, self._subject.sid, self.model

    def position(self) -> tuple[int, int]:
        return self._position

    def points(self, after_n: int) -> Points:
        """The points after number `after_n`: whole blocks where there are any, the others one by one."""
        parts, last = [], after_n
        for b, block in self._opened(self._records.blocks(self.s, after_n=after_n)):
            if b * BLOCK > last + 1:
                parts.append(self._single(last, b * BLOCK))
            parts.append(block)
            last = b * BLOCK + BLOCK - 1
        parts.append(self._single(last, None))
        return join_points(parts)

    def _opened(self, rows: Sequence[BlockRow]) -> Iterator[tuple[int, Points]]:
        """Blocks with the vectors of the model in force, with their numbers."""
        sealed = [(block_id(self.s, row.b), 1, row.body) for row in rows]
        opened = open_values(self._tenant, self._subject, "vector", sealed)
        for row, data in zip(rows, opened, strict=True):
            block = unpack_block(data)
            if block.model == self.model:  # else sealed before the model was changed
                yield row.b, block

    @property
    def place(self) -> Place:
        return place_of(self._tenant, self._subject.sid)

    def cover(self, dimension: int) -> Veil:
        return veil_of(self._subject, self._subject.generation, dimension)

    def there(self) -> int:
        self.expected = self._records.outbox.there(self.s, self._subject.generation)
        return self.expected

    def numbers(self, ids: Sequence[bytes]) -> dict[bytes, int | None]:
        rows = self._records.outbox.find(self.s, ids)
        state = (THERE, self._subject.generation)
        return {row.id: row.n if (row.state, row.generation) == state else None for row in rows}

    def absent(self) -> list[int]:
        return self._records.outbox.absent(self.s, self._subject.generation)

    def around(self, numbers: Sequence[int], reach: int) -> list[Points]:
        """Whole blocks: one opens in the time of three points. Blocks side by side are one run."""
        windows = self._records.windows(self.s, numbers, reach)
        wanted = sorted({b for first, last in windows for b in range(first // BLOCK, last // BLOCK + 1)})
        runs: list[list[Points]] = []
        for at, (b, points) in enumerate(self._at(wanted)):
            if at and wanted[at - 1] == b - 1:
                runs[-1].append(points)
            else:
                runs.append([points])
        return [join_points(run) for run in runs]

    def sample(self, rows: int) -> Points:
        """Whole blocks again, evenly from the first to the last."""
        count, wanted = self._position[1] // BLOCK + 1, rows // BLOCK
        spread = sorted({count * at // wanted for at in range(wanted)})
        return join_points([points for _, points in self._at(spread)])

    def _at(self, numbers: Sequence[int]) -> Iterator[tuple[int, Points]]:
        """The points of each of these blocks, one by one where they are not sealed in one piece."""
        opened = dict(self._opened(self._records.blocks_at(self.s, numbers)))
        for b in numbers:
            yield b, opened[b] if b in opened else self._single(b * BLOCK - 1, (b + 1) * BLOCK)

    def doubt(self, kind: str, ids: Sequence[bytes]) -> None:
        self.doubts.setdefault(kind, set()).update(ids)

    def _single(self, after_n: int, before_n: int | None) -> Points:
        rows = self._records.points(self.s, after_n=after_n, before_n=before_n)
        return unpack_points(open_points(self._tenant, self._subject, self.s, rows), self.model)


def open_points(
    tenant: TenantKeys, subject: SubjectKeys, s: int, rows: Sequence[tuple[int, int, bytes]]
) -> list[tuple[int, bytes]]:
    """(n, plaintext) of sealed points (n, version, blob) of one subject."""
    sealed = [(place(s, n), version, blob) for n, version, blob in rows]
    opened = open_values(tenant, subject, "vector", sealed)
    return [(n, data) for (n, _, _), data in zip(rows, opened, strict=True)]


def open_point(tenant: TenantKeys, subject: SubjectKeys, row: MemoryRow) -> Point:
    """The point of a memory."""
    data = open_value(tenant, subject, "vector", place(row.s, row.n), row.version, row.point)
    return unpack_point(row.n, row.version, data)


def change_points(
    tenant: TenantKeys,
    subject: SubjectKeys,
    records: RecordStore,
    rows: Sequence[MemoryRow],
    change: Callable[[Point], Point],
    *,
    told: bool = False,
) -> int:
    """Inside a transaction: other points for memories of one subject, but for those that changed or went meanwhile.

    `told`: they give an index kept elsewhere nothing new.
    """
    changed = []
    for row in rows:
        current = records.memory(row.s, row.n)
        if current is not None and current.version == row.version:
            packed = change(open_point(tenant, subject, current)).packed()
            sealed = seal_value(tenant, subject, "vector", place(row.s, row.n), row.version, packed)
            records.replace(current, replace(current, point=sealed), told=told)
            changed.append(row.n)
    if changed:
        seal_blocks(tenant, subject, records, rows[0].s, changed)
    return len(changed)


def seal_blocks(
    tenant: TenantKeys,
    subject: SubjectKeys,
    records: RecordStore,
    s: int,
    numbers: Iterable[int] | None = None,
) -> None:
    """Inside a transaction: the full blocks that hold these numbers (None: all), which must not be there yet."""
    row = records.subject_by_number(s)
    full = range(row.next_n // BLOCK if row is not None else 0)
    model = model_in_force(records)
    for b in full if numbers is None else sorted({n // BLOCK for n in numbers}):
        data = _block(tenant, subject, records, s, b, model) if b in full else b""
        if data:
            sealed = seal_value(tenant, subject, "vector", block_id(s, b), 1, data)
            records.put_block(BlockRow(s, b, sealed))


def check_blocks(tenant: TenantKeys, subject: SubjectKeys, records: RecordStore, s: int) -> None:
    """Every block opens and says what its points say; raises IntegrityViolationError."""
    for row in records.blocks(s):
        block = unpack_block(open_value(tenant, subject, "vector", block_id(s, row.b), 1, row.body))
        if pack_block(block) != _block(tenant, subject, records, s, row.b, block.model):
            raise IntegrityViolationError("records.block", "a block of points differs from its points")


def _block(
    tenant: TenantKeys, subject: SubjectKeys, records: RecordStore, s: int, b: int, model: bytes
) -> bytes:
    """What a block says; nothing where a row has no vector of the model."""
    rows = records.points(s, after_n=b * BLOCK - 1, before_n=(b + 1) * BLOCK)
    opened = open_points(tenant, subject, s, rows)
    whole = bool(opened) and all(model in models_of(data) for _, data in opened)
    return pack_block(unpack_points(opened, model)) if whole else b""
