"""Measuring a detector: readers of annotated files, the scorer, and the figures measured on the shipped samples."""

from vault.redaction.evaluation.figures import ClassFigures, Measured, measured

__all__ = ["ClassFigures", "Measured", "measured"]
