"""Our codec inside other people's evaluations: VERSA, Codec-SUPERB, codecscope."""
