"""A second decoder for our own tokens: diffusion of the envelope under what they say, then the vocoder. Slower; can be guided.

``decoder.py`` has the denoiser, ``networks.py`` puts it into the codec, ``files.py`` finds and keeps its weights,
``train.diffusion`` makes them.
"""
