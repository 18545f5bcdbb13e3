"""Evaluation: reconstruction and semantics."""
