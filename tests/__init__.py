"""Tests. They run on one thread a process: processes that share the cores wait for each other's threads otherwise."""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")
