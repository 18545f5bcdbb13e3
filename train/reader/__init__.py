"""Training of the reader of tokens: the same words by other voices shall be read alike."""
