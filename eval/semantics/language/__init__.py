"""What language models make of tokens: how many are used, how well they are predicted, what they say of labels."""
