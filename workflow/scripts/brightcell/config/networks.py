"""The networks that a config can name."""

import ast
from pathlib import Path

RETRAINED = "_retrained"  # ends the name of a network that was trained on with corrected crops


def network_names() -> list[str]:
    """Return the keys of `nets.unet.ARCHITECTURES`, read from the source because importing Keras takes seconds."""
    tree = ast.parse((Path(__file__).parents[1] / "nets/unet.py").read_text(encoding="utf-8"))
    for node in tree.body:
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "ARCHITECTURES":
            assert isinstance(node.value, ast.Dict)
            return [ast.literal_eval(key) for key in node.value.keys if key]
    raise LookupError("nets/unet.py has no table ARCHITECTURES")


def starts(networks: list[str]) -> dict[str, str]:
    """Return the networks that are trained on, each with the one that it starts from.

    >>> starts(["simple"])
    {'simple_retrained': 'simple'}
    """
    return {f"{network}{RETRAINED}": network for network in networks}
