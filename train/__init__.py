"""Training, from audio files to an exported model."""
