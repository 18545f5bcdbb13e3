"""The networks of the default codec, along the signal path: encoders, decoder with its heads, and the second decoder."""
