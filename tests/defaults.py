"""The config as jobs are given it: complete, with the schema's defaults."""

from brightcell.config import validation

CONFIG = validation.complete({"dataset": "test", "samples": "samples.tsv"}, validation.load_schema())


def defaults(part: str, **changes: object) -> dict:
    """Give a part of the config, such as `images`, with its defaults and some changes."""
    assert changes.keys() <= CONFIG[part].keys()
    return CONFIG[part] | changes
