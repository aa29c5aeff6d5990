"""The names model: persons, places and organisations in running text, with numpy alone."""

from vault.redaction.ner.model import NameModel

__all__ = ["NameModel"]
