"""The exam that decides between models: voices never heard, tones, unknown tracks, beside classical codecs and oracles."""
