"""Points: how an index reads a subject's vectors and terms, and the blocks that make the first read quick.

Each point is sealed by itself. Once all numbers of a block were given out, its points are sealed a second time in one
piece, beside them and in the same transaction; whoever changes one drops that block and seals it anew. A block is never
older than its points, and reading without blocks gives the same answer.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from vault.errors import IntegrityViolationError
from vault.flows.bodies import open_value, open_values, seal_value
from vault.flows.ids import place
from vault.index.interface import Points, join_points, pack_block, unpack_block, unpack_points
from vault.keys.keyring import SubjectKeys, TenantKeys
from vault.records.interface import BLOCK, BlockRow, RecordStore


def block_id(s: int, b: int) -> bytes:
    return b"block" + place(s, b)


class StoredPoints:
    """Reads and unseals one subject's points for the index."""

    def __init__(self, tenant: TenantKeys, subject: SubjectKeys, records: RecordStore) -> None:
        self._tenant = tenant
        self._subject = subject
        self._records = records
        row = records.subject(subject.sid)
        self.s = row.s if row else 0
        self._position = (row.changes, row.next_n) if row else (0, 1)

    @property
    def key(self) -> tuple[bytes, bytes]:
        return self._tenant.tid, self._subject.sid

    def position(self) -> tuple[int, int]:
        return self._position

    def points(self, after_n: int) -> Points:
        """The points after number `after_n`: whole blocks where there are any, the others one by one."""
        blocks = self._records.blocks(self.s, after_n=after_n)
        opened = open_values(
            self._tenant, self._subject, "vector", [(block_id(self.s, row.b), 1, row.body) for row in blocks]
        )
        parts, last = [], after_n
        for row, data in zip(blocks, opened, strict=True):
            if row.b * BLOCK > last + 1:
                parts.append(self._single(last, row.b * BLOCK))
            parts.append(unpack_block(data))
            last = row.b * BLOCK + BLOCK - 1
        parts.append(self._single(last, None))
        return join_points(parts)

    def _single(self, after_n: int, before_n: int | None) -> Points:
        rows = self._records.points(self.s, after_n=after_n, before_n=before_n)
        return _opened(self._tenant, self._subject, self.s, rows)


def _opened(
    tenant: TenantKeys, subject: SubjectKeys, s: int, rows: Sequence[tuple[int, int, bytes]]
) -> Points:
    sealed = [(place(s, n), version, blob) for n, version, blob in rows]
    opened = open_values(tenant, subject, "vector", sealed)
    return unpack_points([(n, data) for (n, _, _), data in zip(rows, opened, strict=True)])


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
    for b in full if numbers is None else sorted({n // BLOCK for n in numbers}):
        data = _block(tenant, subject, records, s, b) if b in full else b""
        if data:
            sealed = seal_value(tenant, subject, "vector", block_id(s, b), 1, data)
            records.put_block(BlockRow(s, b, sealed))


def check_blocks(tenant: TenantKeys, subject: SubjectKeys, records: RecordStore, s: int) -> None:
    """Every block opens and says what its points say; raises IntegrityViolationError."""
    for row in records.blocks(s):
        data = open_value(tenant, subject, "vector", block_id(s, row.b), 1, row.body)
        if data != _block(tenant, subject, records, s, row.b):
            raise IntegrityViolationError("records.block", "a block of points differs from its points")


def _block(tenant: TenantKeys, subject: SubjectKeys, records: RecordStore, s: int, b: int) -> bytes:
    rows = records.points(s, after_n=b * BLOCK - 1, before_n=(b + 1) * BLOCK)
    return pack_block(_opened(tenant, subject, s, rows)) if rows else b""
