"""Erasing: requests, retention, the erasure itself, the roll and its certificates."""
