"""Training of the published SemantiCodec's architecture, and of a diffusion decoder for our own model's tokens."""
