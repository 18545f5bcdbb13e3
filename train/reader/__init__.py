"""Training of the reader of semantic tokens: the same words by other voices shall be read alike."""
