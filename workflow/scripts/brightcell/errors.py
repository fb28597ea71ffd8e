"""Exceptions with messages for users, a guess at a misspelt word, and an end to waiting."""

import difflib
import os
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from typing import TypeVar

Result = TypeVar("Result")


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


def counted(number: int, noun: str, plural: str | None = None) -> str:
    """Return a number with its noun.

    >>> counted(1, "group"), counted(2000, "group"), counted(1, "is", "are"), counted(0, "frame")
    ('1 group', '2,000 groups', '1 is', '0 frames')
    """
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


@contextmanager
def command() -> Iterator[None]:
    """End a command's process with a message and status 1 at an InputError, and quietly if nobody reads its output."""
    try:
        yield
        sys.stdout.flush()
    except InputError as error:
        sys.exit(f"ERROR {error}")
    except BrokenPipeError:  # `| head` has read enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)


def in_time(work: Callable[[], Result], seconds: float, late: Callable[[], str]) -> Result:
    """Return what a function returns; raise InputError with the message `late` if it takes longer than `seconds`.

    The function runs in a thread, which cannot be ended: it is left to itself, and does not keep Python from ending.
    """
    future: Future = Future()

    def run() -> None:
        try:
            future.set_result(work())
        except BaseException as error:
            future.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    try:
        return future.result(seconds)
    except TimeoutError:
        if future.done():  # an error of the function's own
            raise
        raise InputError(late()) from None
