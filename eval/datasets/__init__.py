"""Audio to evaluate on."""
