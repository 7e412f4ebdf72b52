"""Expressions learned with action units as a helper task; a dataset is known only through its files."""
