"""Lists of codecs on a command line."""

from __future__ import annotations

from codec.baselines import is_known


def split_codecs(text: str) -> list[str]:
    """Takes a list of names apart; commas separate codecs as well as the knobs of one.

    Example:
        >>> split_codecs("semcodec@50,vocab=4096,semantic,semcodec@25,opus@6 original")
        ['semcodec@50,vocab=4096,semantic', 'semcodec@25', 'opus@6', 'original']
    """
    names: list[str] = []
    for group in text.split():
        start = True
        for word in filter(None, group.split(",")):
            if start or "@" in word or word in ("original", "noise", "semcodec") or is_known(word):
                names.append(word)
            else:
                names[-1] += f",{word}"
            start = False
    return list(dict.fromkeys(names))
