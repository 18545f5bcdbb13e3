"""Evaluation: reconstruction, semantics, and listening tests."""
