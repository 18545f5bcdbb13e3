"""The published SemantiCodec (arXiv 2405.00233): its checkpoints, its tokens, its sound; batched, seeded, any length.

The code reads along the signal path: ``frontend.py`` → ``audiomae.py`` → ``semantic.py`` → ``acoustic.py`` →
``conditioning.py`` → ``latents.py`` and ``sampler.py`` → ``vocoder.py``; ``checkpoint.py`` and ``convert.py`` bring the
weights in, ``model.py`` is what users see.
"""
