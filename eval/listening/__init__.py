"""Listening tests in a browser (MUSHRA, preference, opinion score), a demo page, and a page to try codecs on."""
