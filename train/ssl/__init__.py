"""Self-supervised pretraining of the semantic encoder."""
