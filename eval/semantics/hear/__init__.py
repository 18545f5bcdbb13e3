"""HEAR (Turian et al. 2022, arXiv 2203.03022): its module API for any embedder, and its probe."""
