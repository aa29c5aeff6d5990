"""Laws of the sealed formats, the multiset hash, canonical JSON and the tree."""

from __future__ import annotations

import random

import pytest
import rfc8785
from hypothesis import given, settings
from hypothesis import strategies as st

from vault.audit import jcs, merkle
from vault.crypto.lthash import LtHash
from vault.crypto.primitives import SecretKey, hmac_sha256, length_prefixed
from vault.crypto.record import RecordContext, open_, padme, read_header, seal
from vault.crypto.wrap import WrapContext, unwrap, wrap
from vault.errors import DecryptionError

KEY = SecretKey(bytearray(range(32)))
IDS = st.binary(min_size=16, max_size=16)
CONTEXTS = st.builds(
    RecordContext,
    tenant=IDS,
    sid=IDS,
    record_id=st.binary(max_size=40),
    version=st.integers(0, 2**64 - 1),
    use=st.sampled_from(["record", "history", "tokens", "vector"]),
    schema=st.integers(0, 2**16 - 1),
)
WRAPS = st.builds(
    WrapContext,
    tenant=IDS,
    level=st.sampled_from(["kek", "tenant", "dek", "secret"]),
    id=st.binary(max_size=40),
    epoch=st.integers(0, 2**64 - 1),
)


@settings(max_examples=50, deadline=None)
@given(data=st.binary(max_size=700), kid=IDS, generation=st.integers(0, 2**32 - 1), ctx=CONTEXTS)
def test_what_is_sealed_opens(data: bytes, kid: bytes, generation: int, ctx: RecordContext) -> None:
    blob = seal(KEY, kid, generation, ctx, data)
    assert open_(KEY, blob, ctx) == data
    assert (read_header(blob).kid, read_header(blob).generation) == (kid, generation)
    assert len(blob) == 82 + padme(len(data) + 4) + 16


@settings(max_examples=10, deadline=None)
@given(data=st.binary(max_size=80), ctx=CONTEXTS, bit=st.integers(0, 7))
def test_no_changed_byte_opens(data: bytes, ctx: RecordContext, bit: int) -> None:
    blob = seal(KEY, bytes(16), 1, ctx, data)
    for at in range(len(blob)):
        changed = blob[:at] + bytes([blob[at] ^ (1 << bit)]) + blob[at + 1 :]
        with pytest.raises(DecryptionError):
            open_(KEY, changed, ctx)


@settings(max_examples=50, deadline=None)
@given(data=st.binary(min_size=1, max_size=40_000), cut=st.integers(0, 40_200))
def test_no_cut_record_opens(data: bytes, cut: int) -> None:
    ctx = RecordContext(bytes(16), bytes(16), b"", 0, "record")
    blob = seal(KEY, bytes(16), 1, ctx, data)
    with pytest.raises(DecryptionError):
        open_(KEY, blob[: min(cut, len(blob) - 1)], ctx)


@settings(max_examples=50, deadline=None)
@given(ctx=CONTEXTS, other=CONTEXTS)
def test_no_record_opens_elsewhere(ctx: RecordContext, other: RecordContext) -> None:
    blob = seal(KEY, bytes(16), 1, ctx, b"a fact")
    if ctx != other:
        with pytest.raises(DecryptionError):
            open_(KEY, blob, other)


@settings(max_examples=50, deadline=None)
@given(secret=st.binary(min_size=1, max_size=64), ctx=WRAPS, other=WRAPS)
def test_wraps(secret: bytes, ctx: WrapContext, other: WrapContext) -> None:
    wrapped = wrap(KEY, SecretKey(bytearray(secret)), ctx)
    assert unwrap(KEY, wrapped, ctx).buffer == secret
    if ctx != other:
        with pytest.raises(DecryptionError):
            unwrap(KEY, wrapped, other)


@settings(max_examples=50, deadline=None)
@given(size=st.integers(1, 2**40))
def test_padme_costs_at_most_twelve_per_cent(size: int) -> None:
    length = padme(size)
    assert size <= length <= size * 1.12
    assert padme(length) == length
    assert padme(size + 1) >= length


def test_padme_leaves_few_lengths() -> None:
    assert all(size <= padme(size) <= size * 1.12 for size in range(1, 20_000))
    assert len({padme(size) for size in range(1, 1 << 14)}) < 200


@settings(max_examples=50, deadline=None)
@given(parts=st.lists(st.binary(max_size=8), max_size=5), others=st.lists(st.binary(max_size=8), max_size=5))
def test_length_prefixes_tell_lists_apart(parts: list[bytes], others: list[bytes]) -> None:
    assert (length_prefixed(parts) == length_prefixed(others)) == (parts == others)
    assert (hmac_sha256(KEY, *parts) == hmac_sha256(KEY, *others)) == (parts == others)


@settings(max_examples=50, deadline=None)
@given(items=st.lists(st.binary(max_size=40), unique=True, max_size=12), seed=st.integers())
def test_the_multiset_hash_forgets_order_and_what_was_removed(items: list[bytes], seed: int) -> None:
    order = random.Random(seed)
    kept = items[: len(items) // 2]
    expected = LtHash()
    for item in kept:
        expected.add(item)
    total = LtHash()
    for item in order.sample(items, len(items)):
        total.add(item)
    for item in order.sample(items[len(kept) :], len(items) - len(kept)):
        total = LtHash(total.state())
        total.remove(item)
    assert total.state() == expected.state()
    assert total.digest() == expected.digest()
    if kept:
        total.remove(kept[0])
        assert total.digest() != expected.digest()


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
FLAT = st.dictionaries(
    st.text(st.characters(max_codepoint=127), max_size=8),
    st.text(st.characters(max_codepoint=127), max_size=12) | st.integers(-(2**53) + 1, 2**53 - 1),
    max_size=8,
)


@settings(max_examples=50, deadline=None)
@given(value=FLAT)
def test_the_quick_canonical_form_is_the_library_s(value: dict[str, str | int]) -> None:
    assert jcs.canonical(value) == rfc8785.dumps(value)
    assert jcs.strict_loads(jcs.canonical(value)) == value


@settings(max_examples=50, deadline=None)
@given(value=JSON)
def test_canonical_json_of_any_value(value: object) -> None:
    assert jcs.canonical(value) == rfc8785.dumps(value)
    if isinstance(value, dict):
        assert jcs.strict_loads(jcs.canonical(value)) == value


def test_proofs_and_frontiers_of_every_small_tree() -> None:
    leaves = [merkle.leaf_hash(bytes([n])) for n in range(70)]
    roots = [merkle.root(leaves[:size]) for size in range(len(leaves) + 1)]
    assert len(set(roots)) == len(roots)
    frontier = merkle.Frontier()
    assert frontier.root() == roots[0] == merkle.EMPTY_ROOT
    for size, leaf in enumerate(leaves, 1):
        frontier.append(leaf)
        frontier = merkle.Frontier.from_bytes(frontier.to_bytes())
        assert (frontier.size, frontier.root()) == (size, roots[size])
        tree = leaves[:size]
        for index in range(size):
            proof = merkle.inclusion_proof(tree, index)
            merkle.verify_inclusion(index, size, leaves[index], proof, roots[size])
            merkle.verify_consistency(
                index + 1, size, roots[index + 1], roots[size], merkle.consistency_proof(tree, index + 1)
            )
