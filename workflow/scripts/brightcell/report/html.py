"""Fill the templates of pages, with few bytes: plain JSON, rounded, what several figures share only once."""

import base64
import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import overload

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

NOTHING = object()


@overload
def plain(value: dict) -> dict: ...


@overload
def plain(value: list | tuple) -> list: ...


@overload
def plain(value: object) -> object: ...


def plain(value: object) -> object:
    """Round the floats of a figure, or a part of one, to six digits; what is no number becomes None.

    >>> plain({"x": [0.12345678, float("nan")]})
    {'x': [0.123457, None]}
    """
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, float):
        return float(f"{value:.6g}") if value - value == 0 else None
    return value


def share(figures: dict[str, object]) -> dict:
    """Write figures of one kind as a `base` and, for each, the `choices` that differ from it.

    A choice is merged into the base key by key; of lists of objects by position.

    >>> share({"a": {"x": [1], "kind": "box"}, "b": {"x": [2], "kind": "box"}})
    {'base': {'kind': 'box'}, 'choices': {'a': {'x': [1]}, 'b': {'x': [2]}}}
    """
    base, rest = _factor(list(figures.values()))
    choices = {name: {} if own is NOTHING else own for name, own in zip(figures, rest, strict=True)}
    return {"base": {} if base is NOTHING else base, "choices": choices}


def _factor(values: list) -> tuple[object, list]:
    first = values[0]
    if all(value == first for value in values[1:]):
        return first, [NOTHING] * len(values)
    if all(isinstance(value, dict) for value in values):
        base: dict[str, object] = {}
        rest: list[dict[str, object]] = [{} for _ in values]
        for key in dict.fromkeys(key for value in values for key in value):
            if all(key in value for value in values):
                common, own = _factor([value[key] for value in values])
            else:
                common, own = NOTHING, [value.get(key, NOTHING) for value in values]
            if common is not NOTHING:
                base[key] = common
            for place, part in zip(rest, own, strict=True):
                if part is not NOTHING:
                    place[key] = part
        return base, rest
    if all(isinstance(value, list) and len(value) == len(first) for value in values) and all(
        isinstance(item, dict) for value in values for item in value
    ):
        parts = [_factor([value[index] for value in values]) for index in range(len(first))]
        rest = [
            {str(index): own[at] for index, (_, own) in enumerate(parts) if own[at] is not NOTHING}
            for at in range(len(values))
        ]
        return [{} if common is NOTHING else common for common, _ in parts], rest
    return NOTHING, values


def script_json(content: object) -> Markup:
    """Write JSON for a <script> element, from which no text can break out."""
    written = json.dumps(content, separators=(",", ":"), allow_nan=False)
    return Markup(written.replace("<", "\\u003c").replace(">", "\\u003e"))


def digest(script: str) -> str:
    """Return the hash by which the page's Content-Security-Policy admits a script."""
    return base64.b64encode(hashlib.sha256(str(script).encode("utf-8")).digest()).decode("ascii")


def page_templates(folders: str | Path | Sequence[str | Path]) -> Environment:
    """Open the templates of folders: text is escaped, a missing value is an error, filters `digest` and `json`."""
    environment = Environment(
        loader=FileSystemLoader(folders),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"digest": digest, "json": script_json}
    return environment
