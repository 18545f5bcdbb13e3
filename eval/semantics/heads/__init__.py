"""Heads that are put on frozen vectors: neighbours, a linear layer, frame-wise and retrieval heads; and their metrics."""
