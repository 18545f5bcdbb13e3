"""What is accepted from outside, wherever it comes from: files, headers, arguments."""

MIN_SAMPLE_RATE, MAX_SAMPLE_RATE = 1_000, 768_000
"""In Hz."""
MAX_CHANNELS = 64


def is_sample_rate(sample_rate: int) -> bool:
    """Whether a sample rate in Hz can be worked with."""
    return MIN_SAMPLE_RATE <= sample_rate <= MAX_SAMPLE_RATE
