"""Primitives, the sealed record format PMV1, the key wrap format PMW1 and the records' multiset hash."""
