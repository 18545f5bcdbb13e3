"""What a codec's tokens and latents mean: probes on X-ARES and HEAR terms, token statistics, language modelling."""
