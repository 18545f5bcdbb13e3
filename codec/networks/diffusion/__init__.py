"""A second decoder for our own tokens: diffusion of the log-mel under the tokens, then a vocoder. Slower, and it can be guided.

``decoder.py`` has the networks, ``files.py`` finds and keeps their weights, ``train.diffusion`` makes them; users see
`codec.diffusion`.
"""
