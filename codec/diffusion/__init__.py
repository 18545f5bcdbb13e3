"""A second decoder for our own tokens: diffusion of the log-mel under the tokens, then a vocoder. Slower, and it can be guided.

``networks.py`` → ``model.py``, what users see; ``files.py`` finds and keeps the weights; ``train.diffusion`` makes them.
"""
