"""``codec exam``: any codec, one command, one card of reconstruction, tokens and cost, with intervals and provenance."""
