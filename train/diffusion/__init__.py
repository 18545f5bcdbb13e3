"""Training of the published SemantiCodec's architecture: acoustic encoder, its quantiser and the latent-diffusion U-Net."""
