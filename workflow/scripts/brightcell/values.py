"""What a value in a file from elsewhere may be: rules that check it and say in words what they expect."""

import math
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from brightcell.errors import InputError, nearest


class Rule(NamedTuple):
    """What a value may be, in words, and whether a value is that."""

    expected: str
    allows: Callable[[Any], bool]


def is_number(found: object) -> bool:
    """Return whether a value is a finite number; true and false are none."""
    return type(found) is int or (isinstance(found, float) and math.isfinite(found))


def one_of(*values: object) -> Rule:
    """Allow a few values, of the same type.

    >>> one_of(1, "a").allows(True)
    False
    """
    words = " or ".join(repr(value) for value in values)
    return Rule(words, lambda found: any(type(found) is type(value) and found == value for value in values))


def number(low: float, high: float) -> Rule:
    """Allow finite numbers within bounds."""
    return Rule(f"a number from {low:g} to {high:g}", lambda found: is_number(found) and low <= found <= high)


def whole(low: int, high: int) -> Rule:
    """Allow whole numbers within bounds."""
    return Rule(
        f"a whole number from {low} to {high}", lambda found: type(found) is int and low <= found <= high
    )


def pair(high: int) -> Rule:
    """Allow two whole numbers from 1 to `high`, or one that stands for both."""
    each = whole(1, high).allows
    return Rule(
        f"two whole numbers from 1 to {high}",
        lambda found: each(found) or (isinstance(found, list) and len(found) == 2 and all(map(each, found))),
    )


def square(high: int) -> Rule:
    """Allow a whole number from 1 to `high`, or the same one twice."""
    both = pair(high).allows
    return Rule(
        f"one whole number from 1 to {high} for height and width",
        lambda found: both(found) and (type(found) is int or found[0] == found[1]),
    )


def optional(rule: Rule) -> Rule:
    """Allow nothing (null) besides."""
    return Rule(f"{rule.expected}, or null", lambda found: found is None or rule.allows(found))


def mapping(rules: Mapping[str, Rule] | Rule) -> Rule:
    """Allow a mapping with these keys and no others, or with values that one rule allows."""
    if isinstance(rules, Rule):
        return Rule(
            f"names with {rules.expected} each",
            lambda found: isinstance(found, dict) and all(map(rules.allows, found.values())),
        )
    return Rule(
        f"a mapping of {', '.join(rules)}",
        lambda found: (
            isinstance(found, dict)
            and all(key in rules and rules[key].allows(value) for key, value in found.items())
        ),
    )


NAME = Rule(
    "a name of letters, digits, '.', '_' and '-' that begins with a letter or digit",
    lambda found: isinstance(found, str) and bool(re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,199}", found)),
)


def check(content: dict, rules: Mapping[str, Rule], path: str | Path, needed: tuple[str, ...]) -> dict:
    """Return the content of a file if what it says is allowed; InputError with the first thing that is not.

    rules : key → what its value may be; other keys are left alone; needed : keys that must be there
    """
    missing = [key for key in needed if key not in content]
    if missing:
        guess = nearest(missing[0], content)
        raise InputError(
            f"{path}: no {' and no '.join(missing)} in it"
            + (f" (found {guess!r})" if guess else "")
            + ". Expected the file that this workflow wrote beside the model: get it again, or remove the folder."
        )
    for key, rule in rules.items():
        if key in content and not rule.allows(content[key]):
            raise InputError(
                f"{path}: {key} is {shortened(content[key])}. Expected {rule.expected}: get the file again, or remove the folder."
            )
    return content


def shortened(value: object) -> str:
    """Return a value as a message shows it: not whole if it is long."""
    text = repr(value).encode("ascii", "backslashreplace").decode()
    return text if len(text) < 100 else text[:100] + "…"
