"""Training of the second architecture: pitch tracker, vocoder, then both halves of the codec together.

``pitch.py`` labels → ``tracker.py``; ``vocoder.py`` → ``codec.py``, whose losses are in ``targets.py``.
"""
