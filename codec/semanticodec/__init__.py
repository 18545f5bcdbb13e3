"""The published SemantiCodec (arXiv 2405.00233): its checkpoints, its tokens, its sound; batched, seeded, any length.

The code reads along the signal path: ``frontend.py`` → ``audiomae.py`` → ``encoder.py`` with ``acoustic.py`` →
``conditioning.py`` → ``decoder.py`` with ``networks.py`` and `codec.networks.samplers`; ``checkpoint.py`` and ``convert.py``
bring the weights in, ``model.py`` is what users see.
"""
