"""Training of the acoustic half: pitch tracker, vocoder, both halves of the codec together, then the decoder alone.

Labels by ``praat.py`` and ``pitch.py`` → ``tracker.py``; ``vocoder.py`` → ``codec.py`` → ``adversarial.py``, whose losses are
in ``objective.py``; ``finetune.py`` gives the last one a folder of somebody's recordings.
"""
