"""Telling an index kept elsewhere what the records say: the outbox is carried out, and done again after a crash.

A row of the outbox is written with the point it stands for, in one transaction, and settled once the index answered.
Between the two the point is scored from the records. One process at a time carries rows of a tenant out, so that no
late upload follows a removal.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import groupby
from typing import Any, Final

from vault.errors import VectorIndexError
from vault.flows.bodies import open_values
from vault.flows.context import Call
from vault.flows.ids import place
from vault.flows.points import StoredPoints, place_of, veil_of
from vault.flows.stores import OpenStore
from vault.flows.vectors import model_in_force
from vault.index.interface import Covered, OutsideIndex
from vault.index.points import unpack_points
from vault.index.quantise import dequantise
from vault.keys.keyring import SubjectKeys
from vault.keys.keystore import Keystore
from vault.locks import locked
from vault.records.interface import (
    BUILDING,
    ELSEWHERE,
    HERE,
    INDEX,
    LEAVING,
    THERE,
    WAITING,
    PlacedRow,
    RecordStore,
)

BATCH: Final = 256  # rows that one operation carries out: a long queue makes none of them wait for all
_SWEEP: Final = "index.sweep"  # a setting: 2 while the tenant's points there have still to be cleared away
_GENERATION: Final = slice(22, 26)  # of a PMV1 blob

Progress = Callable[[int, int], None]


def drain(index: OutsideIndex, keystore: Keystore, store: OpenStore) -> None:
    """Carry out one batch of what is open, where nobody else does; raises VectorIndexError."""
    if _waits(store.records):
        with store.records.outbox.draining() as mine:
            if mine:
                _step(index, keystore, store)


def drain_all(
    index: OutsideIndex, keystore: Keystore, store: OpenStore, progress: Progress | None = None
) -> None:
    """Carry out everything that is open; raises VectorIndexError, or StorageError while another process does it."""
    with store.records.outbox.draining() as mine:
        if not mine:
            raise locked()
        done = 0
        while _waits(store.records):
            rows = _step(index, keystore, store)
            if not rows:
                raise VectorIndexError(
                    "index.stuck", "what waits for the index does not open; run memvault audit verify"
                )
            done += rows
            if progress is not None:
                progress(done, done + sum(_open(store.records)))


def _waits(records: RecordStore) -> bool:
    return bool(records.outbox.open(1)) or records.setting(_SWEEP) > 1


def _open(records: RecordStore) -> Iterator[int]:
    counts = records.outbox.counts()
    return (counts.get(state, 0) for state in (WAITING, LEAVING))


def _step(index: OutsideIndex, keystore: Keystore, store: OpenStore) -> int:
    """One batch; how many rows, and sweeps, that were."""
    records, tenant = store.records, place_of(store.tenant, b"").tenant
    if records.setting(_SWEEP) > 1:
        index.remove_all(tenant)
        with records.transaction():
            records.set_setting(_SWEEP, 1)
        return 1
    rows = records.outbox.open(BATCH)
    done = [row for row in rows if row.state == LEAVING]
    index.remove(tenant, [row.id for row in done])
    waiting = sorted((row for row in rows if row.state == WAITING), key=lambda row: row.s)
    for s, group in groupby(waiting, key=lambda row: row.s):
        known = records.subject_by_number(s)
        subject = keystore.subject_by_sid(store.tenant, known.sid) if known is not None else None
        if subject is not None:
            done += _put(index, store, subject, list(group))
    with records.transaction(durable=False):  # lost with the power, it is done again
        records.outbox.settle(done)
    return len(done)


def _put(
    index: OutsideIndex, store: OpenStore, subject: SubjectKeys, rows: Sequence[PlacedRow]
) -> list[PlacedRow]:
    """Send the points of one subject; rows whose point changed since are left out, and are leaving by now."""
    s = rows[0].s
    points = {(n, version): blob for n, version, blob in store.records.points_at(s, [row.n for row in rows])}
    found = [
        row
        for row in rows
        if int.from_bytes(points.get((row.n, row.version), b"")[_GENERATION], "big") == row.generation
    ]
    sealed = [(place(s, row.n), row.version, points[row.n, row.version]) for row in found]
    plain = unpack_points(
        [
            (row.n, data)
            for row, data in zip(found, open_values(store.tenant, subject, "vector", sealed), strict=True)
        ],
        model_in_force(store.records),
    )
    dimension = plain.vectors.shape[1]
    veils = {number: veil_of(subject, number, dimension) for number in {row.generation for row in found}}
    ends = plain.sizes.cumsum().tolist()
    covered = []
    for at, row in enumerate(found):
        veil, vector = veils[row.generation], dequantise(plain.vectors[at], float(plain.scales[at]))
        terms = plain.terms[ends[at] - int(plain.sizes[at]) : ends[at]].tolist()
        covered.append(Covered(row.id, veil.covered(vector, place(s, row.n), row.version), veil.terms(terms)))
    index.put(place_of(store.tenant, subject.sid), covered)
    return found


def begin_again(records: RecordStore) -> None:
    """Inside a transaction: what the index has of this tenant is not known any more; all of it goes, all is sent.

    Also where nothing is kept: records of another time may have come back, and the index has points of now.
    """
    if records.outbox.kept:
        records.outbox.restart()
    records.set_setting(_SWEEP, 2)


# --- for the flows ---------------------------------------------------------------------------------------------------


def _outside(call: Call) -> OutsideIndex | None:
    """The index elsewhere that this tenant's points go to; None where they go to none. Raises VectorIndexError."""
    return call.outside() if call.records.outbox.kept else None


def wipe(call: Call, sids: Iterable[bytes]) -> None:
    """After rows were removed: nothing of them is in the index any more, asked again, and its files are vacuumed.

    Whole subjects go by their stand-in too, whatever the outbox knew of them. Raises VectorIndexError.
    """
    index = _outside(call)
    if index is None:
        return
    drain_all(index, call.stages.keystore, call.store)
    for sid in sids:
        stand_in = place_of(call.tenant, sid)
        index.remove_all(stand_in.tenant, stand_in.sid)
    index.vacuum()


def count(call: Call, sid: bytes, numbers: set[int] | None) -> int:
    """How many points of a subject the index holds, by its own answer; of these numbers, or all."""
    index = _outside(call)
    if index is None:
        return 0
    stand_in = place_of(call.tenant, sid)
    if numbers is None:
        return index.count(stand_in.tenant, stand_in.sid)
    row = call.records.subject(sid)
    rows = call.records.outbox.of(row.s) if row is not None else []
    return len(index.present(stand_in.tenant, [one.id for one in rows if one.n in numbers]))


def alarm(call: Call, subject: SubjectKeys, reader: StoredPoints) -> None:
    """Log what an index elsewhere answered that it must not have, before its answer leaves; nothing of it was opened.

    What another process changed between the question and now is no reason: it is looked up again.
    """
    outbox, doubts = call.records.outbox, dict(reader.doubts)
    if "unknown" in doubts:
        doubts["unknown"] -= {row.id for row in outbox.find(reader.s, sorted(doubts["unknown"]))}
    if "missing" in doubts and outbox.there(reader.s, subject.generation) < reader.expected:
        del doubts["missing"]
    found = {kind: max(1, len(ids)) for kind, ids in doubts.items() if ids or kind == "missing"}
    if found:
        event = call.event(action="integrity.alarm", result="error", count=sum(found.values()), found=found)
        call.log_read(event, subject, reader.s)
        call.stages.observer.alarm(call.action, call.tenant.name)


def compare(call: Call) -> dict[str, int]:
    """The index against the outbox: points that wait, that are not there and should be, that are and should not."""
    index = _outside(call)
    if index is None:
        return {}
    tenant = place_of(call.tenant, b"").tenant
    counts = call.records.outbox.counts()
    known = [row for subject in call.records.subjects() for row in call.records.outbox.of(subject.s)]
    present = index.present(tenant, [row.id for row in known])
    missing = sum(row.state == THERE and row.id not in present for row in known)
    surplus = max(0, index.count(tenant) - len(present))
    return {
        "there": counts.get(THERE, 0),
        "waiting": sum(_open(call.records)),
        "missing": missing,
        "surplus": surplus,
    }


def rebuild(call: Call, progress: Progress | None) -> None:
    """Clear away what the index has of this tenant and send every point again; searches go on, from the records."""
    if call.records.outbox.kept:
        with call.records.transaction():
            begin_again(call.records)
        carry_out(call, progress)


def carry_out(call: Call, progress: Progress | None) -> None:
    """Everything that is open; raises VectorIndexError, or StorageError while another process does it."""
    index = _outside(call)
    if index is not None:
        drain_all(index, call.stages.keystore, call.store, progress)


def move(call: Call, adapter: str, progress: Progress | None) -> dict[str, Any]:
    """Bring the tenant to the index that the configuration names; done again after a crash, it goes on.

    Raises VectorIndexError `index.differs` where the index that was built is not what the records say.
    """
    state = call.records.setting(INDEX)
    wanted = HERE if adapter == "sealed" else ELSEWHERE
    if state != wanted:
        (_build if wanted == ELSEWHERE else _leave)(call, call.outside(), progress)
    return {"adapter": adapter, "moved": call.records.count() if state != wanted else 0}


def _build(call: Call, index: OutsideIndex, progress: Progress | None) -> None:
    with call.records.transaction():
        call.records.set_setting(INDEX, BUILDING)
        begin_again(call.records)
    drain_all(index, call.stages.keystore, call.store, progress)
    found = compare(call)
    if found["missing"] or found["surplus"]:
        raise VectorIndexError(
            "index.differs",
            "the index that was built is not what the records say; the one in use stays in use",
        )
    with call.records.transaction():
        call.records.set_setting(INDEX, ELSEWHERE)
        call.store.log.append(call.event(count=found["there"]))


def _leave(call: Call, index: OutsideIndex, progress: Progress | None) -> None:
    """Searched in the records from the transaction on; a crash after it leaves the sweep to whoever comes next."""
    with call.records.outbox.draining() as mine:
        if not mine:
            raise locked()
        with call.records.transaction():  # from here on nothing is sent any more
            call.records.set_setting(INDEX, HERE)
            call.records.outbox.stop()
            call.records.set_setting(_SWEEP, 2)
            call.store.log.append(call.event(count=call.records.count()))
    drain_all(index, call.stages.keystore, call.store, progress)
    index.vacuum()
