"""Compound facial expressions in the wild: labels, dataset folder and statistics (no torch here)."""

__version__ = "0.1.0"
