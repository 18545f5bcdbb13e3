"""Probing tasks made from free audio, in the layout of X-ARES."""

from eval.semantics.tasks.build import build_tasks, task_names

__all__ = ["build_tasks", "task_names"]
