"""Exceptions with messages for users, and a guess at a misspelt word."""

import difflib
from collections.abc import Iterable


class InputError(Exception):
    """Bad input: the message names the file, what was found, what was expected and what to do.

    The rules' scripts show the message alone, without a traceback.
    """


class TakenOver(InputError):
    """Another job works on the same result: this one must stop and leave its files alone."""


def nearest(word: object, words: Iterable[str]) -> str | None:
    """Return the most similar of `words`, or None if none is similar; case is ignored.

    >>> nearest("Batchsize", ["batch_size", "patch"])
    'batch_size'
    """
    spellings = {each.lower(): each for each in words}
    found = difflib.get_close_matches(str(word).lower(), spellings, n=1)
    return spellings[found[0]] if found else None
