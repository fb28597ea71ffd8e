"""Check a config against its schema, and fill in the defaults."""

import math
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import yaml
from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError

from brightcell.errors import InputError, nearest

from . import relations
from .networks import network_names

SCHEMAS = Path(__file__).resolve().parents[3] / "schemas"
CONFIG_SCHEMA = SCHEMAS / "config.schema.yaml"
SAMPLES_SCHEMA = SCHEMAS / "samples.schema.yaml"

# Keys of earlier versions, and where they are now; None where the value is fixed.
MOVED = {
    "training.device": "compute.device",
    "training.precision": "compute.precision",
    "training.distance_weight": None,
    "comparison.seed": None,
}

MOST_VALUES = 100_000
# YAML 1.1 reads 1e-3, which has no point, as text.
EXPONENT = re.compile(r"[+-]?\d+(\.\d*)?[eE][+-]?\d+")


def load_schema(path: str | Path = CONFIG_SCHEMA) -> dict:
    """Read a schema file; the legal names of networks are those that `nets` builds."""
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # the one in C is ten times as fast
    schema = yaml.load(Path(path).read_text(encoding="utf-8"), loader)
    if "networks" in schema["properties"]:
        schema["properties"]["networks"]["items"]["enum"] = network_names()
    return schema


def complete(config: dict, schema: dict, source: str = "config", given: dict | None = None) -> dict:
    """Return the config, checked, with the default of every key that is missing, and the scheme `grouped` first.

    source : the files that the config comes from
    given : the part of it that comes from the command line's --config, as Snakemake read it: numbers, null, true and
        false within brackets or braces are text there, and get the type that the schema asks for
    One InputError lists all faults, each with its source and the path of the key.
    """
    _refuse_endless(config, source)
    told = set(_given(config, given or {}))
    config = _fill(_typed(config, schema, told), schema)
    errors = list(Draft202012Validator(schema).iter_errors(config))
    errors.sort(key=lambda error: [str(part) for part in error.path])
    problems = [problem for error in errors for problem in _explain(error, schema, told)]
    about_keys = ("additionalProperties", "required")  # the other keys are sound all the same
    faulty = {_path(error.absolute_path) for error in errors if error.validator not in about_keys}
    problems += [
        f"{path}: found {value}; expected a finite number" for path, value in _not_finite(config, faulty)
    ]
    if "" not in faulty:
        problems += relations.problems(config, faulty)
    if problems:
        lines = "".join(
            f"\n  {'--config on the command line' if _concerns(problem, told) else source}: {problem}"
            for problem in problems
        )
        many = f"{len(problems)} settings are" if len(problems) > 1 else "a setting is"
        raise InputError(f"{many} wrong; all settings are explained in config/README.md{lines}")
    if (
        "folds" in config
    ):  # the first scheme gives the verdict and segments: never one with leakage while there is another
        config["folds"]["schemes"].sort(key=lambda scheme: scheme != "grouped")
    return config


def _refuse_endless(config: Any, source: str) -> None:
    """Raise InputError for a config that YAML's aliases make endless: a value that holds itself, or copies of copies."""
    waiting, number = [config], 0
    while waiting:
        value = waiting.pop()
        number += 1
        if number > MOST_VALUES:
            raise InputError(
                f"{source}: more than {MOST_VALUES:,} values. Expected a config: does an alias (*name) stand within the value "
                "that it stands for (&name), or do aliases repeat one another?"
            )
        if isinstance(value, dict | list):
            waiting.extend(value.values() if isinstance(value, dict) else value)


def expectation(schema: dict) -> str:
    """Return in words the values that a schema allows.

    >>> expectation({"type": "integer", "minimum": 1})
    'a whole number, at least 1'

    The words for a pattern are in the schema, as `x-expected`.
    """
    if "enum" in schema:
        values = ", ".join(str(value) for value in schema["enum"] if value is not None)
        return f"one of {values}{'; or null' * (None in schema['enum'])}"
    types = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    if "array" in types[1:]:
        single = [each for each in types if each != "array"]
        return f"{expectation({**schema, 'type': single})}; or {expectation({**schema, 'type': 'array'})}"
    if "array" in types:
        low, high = schema.get("minItems"), schema.get("maxItems")
        amount = (
            f"{low} of them"
            if low is not None and low == high
            else f"{low} to {high} of them"
            if low and high
            else f"at least {low} of them"
            if low
            else ""
        )
        different = "all different" if schema.get("uniqueItems") else ""
        parts = [f"a list in [ ], each {expectation(schema['items'])}", amount, different]
        return "; ".join(part for part in parts if part)
    words = {
        "integer": "a whole number",
        "number": "a number",
        "string": "text",
        "boolean": "true or false",
        "object": "keys with values below it",
        "null": "null",
    }
    limits = {
        "minimum": "at least",
        "exclusiveMinimum": "above",
        "maximum": "at most",
        "exclusiveMaximum": "below",
    }
    if schema.get("minLength"):
        words["string"] = "text, not empty"
    words["string"] = schema.get("x-expected", words["string"])
    if "maxLength" in schema:
        words["string"] += f", at most {schema['maxLength']} characters"
    bounds = [
        f"{word} {schema[key]:,}" for key, word in limits.items() if schema.get(key, 2**31 - 1) < 2**31 - 1
    ]
    others = "".join(f"; or {words[name]}" for name in types[1:])
    return ", ".join([words[types[0]], *bounds]) + others


def _fill(value: Any, schema: dict) -> Any:
    """Return a copy of a value with defaults for missing keys, and with numbers that YAML reads as text."""
    types = schema.get("type", [])
    if value is None and types == "object":  # a parent whose children are all commented out
        value = {}
    if isinstance(value, dict):
        filled = {key: _fill(child, _entry(schema, key)) for key, child in value.items()}
        for key, child in schema.get("properties", {}).items():
            if key not in filled and "default" in child:
                filled[key] = _fill(child["default"], child)
        return filled
    if isinstance(value, list | tuple):
        return [_fill(item, schema.get("items", {})) for item in value]
    if isinstance(value, str) and ("number" in types or "integer" in types) and EXPONENT.fullmatch(value):
        value = float(value)
    if isinstance(value, float) and "integer" in types and value.is_integer():
        value = int(value)
    return value


def _entry(schema: dict, key: object) -> dict:
    """Return the schema of a key, which may be any name where `additionalProperties` has a schema; empty if there is none."""
    others = schema.get("additionalProperties")
    return schema.get("properties", {}).get(key, others if isinstance(others, dict) else {})


def _given(config: Any, given: Any, path: str = "") -> Iterator[str]:
    """Yield the paths of the values in `given` that stand in the config too: in a module's config others may."""
    if isinstance(given, dict) and isinstance(config, dict):
        for key in given.keys() & config.keys():
            yield from _given(config[key], given[key], _join(path, key))
    elif config == given:
        yield path


def _typed(value: Any, schema: dict, told: set[str], path: str = "") -> Any:
    """Return a copy of a value in which text at the paths `told`, and below them, has the type that the schema asks for."""
    if isinstance(value, dict):
        return {
            key: _typed(child, _entry(schema, key), told, _join(path, key)) for key, child in value.items()
        }
    if path not in told:
        return value
    if isinstance(value, list):
        return [_typed(item, schema.get("items", {}), {""}) for item in value]
    types = schema.get("type", "string")
    if not isinstance(value, str) or ("string" in types and value not in ("null", "~")):
        return value
    try:
        read = yaml.safe_load(value)
    except yaml.YAMLError:
        return value
    fits = read is None and "null" in types if "string" in types else isinstance(read, int | float | None)
    return read if fits else value


def _concerns(problem: str, told: set[str]) -> bool:
    """Return whether a problem, which begins with a key's path, is about one of the paths `told` or names it."""
    return any(
        re.match(rf"{re.escape(path)}(?![\w.])|{re.escape(path)}\.", problem)
        or ("." in path and re.search(rf"(?<![\w.]){re.escape(path)}(?!\w)", problem))
        for path in told
    )


def _explain(error: ValidationError, schema: dict, told: set[str]) -> Iterator[str]:
    path = _path(error.absolute_path)
    if error.validator == "additionalProperties":
        legal = list(error.schema["properties"])
        for key, value in error.instance.items():
            if key not in legal:
                yield f"{_join(path, key)}: {_advice(path, key, value, legal, schema)}"
    elif error.validator == "required":
        for key in error.validator_value:
            if key not in error.instance and f"'{key}'" in error.message:
                about = re.split("[:.,]", error.schema["properties"][key]["description"])[0]
                yield f"{_join(path, key)}: missing; expected {about[0].lower()}{about[1:]}"
    elif error.validator == "enum":
        title = error.schema.get("title")
        found = f"{error.instance!r} is not a {title}" if title else f"found {_shown(error.instance)}"
        spelt = {str(value): _shown(value) for value in error.validator_value}
        guess = nearest(error.instance, spelt)
        hint = f"; did you mean {spelt[guess]}?" if guess else ""
        yield f"{path}: {found}; expected {expectation(error.schema)}{hint}"
    elif error.validator != "type" or "enum" not in error.schema:  # otherwise explained as an enum
        found, hint = _shown(error.instance), ""
        if error.validator == "type":
            found += f" ({_kind(error.instance)})"
            if "string" in error.validator_value and not isinstance(error.instance, dict | list | type(None)):
                quoted = f"""'{path}="{error.instance}"'""" if path in told else f"'{error.instance}'"
                hint = f"; write it in quotes: {quoted}"
        yield f"{path or 'the config'}: found {found}; expected {expectation(error.schema)}{hint}"


def _shown(value: object) -> str:
    return "null" if value is None else repr(value)


def _kind(value: object) -> str:
    kinds = {bool: "yes or no", int: "number", float: "number", str: "text", list: "list", dict: "keys"}
    return kinds.get(type(value), "empty" if value is None else type(value).__name__)


def _advice(parent: str, key: object, value: object, legal: list[str], schema: dict) -> str:
    """Return what to do about a key that is not in the schema."""
    if _join(parent, key) in MOVED:
        moved = MOVED[_join(parent, key)]
        if not moved:
            return "this key is gone, and its value is fixed; delete it"
        block, name = moved.rsplit(".", 1)
        entry = yaml.safe_dump({block: {name: value}}, default_flow_style=None, width=1000).strip()
        return f"this key has moved to {moved}; delete it here, and write `{entry}`"
    paths = {path.rsplit(".")[-1]: path for path in reversed(list(_keys(schema)))}
    guess = nearest(key, legal) or paths.get(nearest(key, paths) or "")
    return "unknown key; " + (f"did you mean {guess}?" if guess else f"expected one of {', '.join(legal)}")


def _keys(schema: dict, parent: str = "") -> Iterator[str]:
    for key, entry in schema.get("properties", {}).items():
        yield _join(parent, key)
        yield from _keys(entry, _join(parent, key))


def _not_finite(value: object, faulty: set[str], path: str = "") -> Iterator[tuple[str, float]]:
    """Yield path and value of each .nan and .inf, which pass the limits of a schema."""
    if isinstance(value, float) and not math.isfinite(value) and path not in faulty:
        yield path, value
    if isinstance(value, dict | list):
        for key, child in value.items() if isinstance(value, dict) else enumerate(value):
            place = f"{path}[{key}]" if isinstance(value, list) else _join(path, key)
            yield from _not_finite(child, faulty, place)


def _path(parts: Iterable[str | int]) -> str:
    path = ""
    for part in parts:
        path = f"{path}[{part}]" if isinstance(part, int) else _join(path, part)
    return path


def _join(parent: str, key: object) -> str:
    return f"{parent}.{key}" if parent else str(key)
