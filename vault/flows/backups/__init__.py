"""Backups, and putting them back: whole, consistent, and with nothing erased in them."""
