"""Compare a config with the trained networks that its trainings start from, before any of them runs."""

from pathlib import Path

from brightcell import trained
from brightcell.errors import InputError
from brightcell.io import readers
from brightcell.preprocessing.loader import page_of

OUTPUTS = {
    "foreground": 1,
    "foreground+distance": 2,
}  # by network.target; auto is known when the masks are read


def check_start(path: str | Path, architecture: str, network: dict, channels: int | None) -> None:
    """Raise InputError if the network in a file does not fit the config, by the recipe.json beside it, if there is one.

    architecture : a network of the config; network : its block `network`; channels : of the images, None if unknown
    """
    recipe = Path(path).with_name("recipe.json")
    if not recipe.is_file():
        return
    known = trained.read_recipe(recipe, needed=())
    wanted = {
        "network": architecture,
        "filters": network["filters"],
        "levels": network["levels"],
        "outputs": OUTPUTS.get(network["target"]),
        "channels": channels,
    }
    differing = [key for key, value in wanted.items() if value is not None and known.get(key, value) != value]
    if not differing:
        return
    theirs = " and ".join(_amount(known[key], key) for key in differing)
    ours = " and ".join(_amount(wanted[key], key) for key in differing)
    advice = "; ".join(_advice(key, known[key]) for key in differing)
    raise InputError(
        f"training.init_weights {path}: the model has {theirs}, the config and its images {ours}. Expected the same: {advice}."
    )


def channels_of(rows: list[dict], images: dict, steps: dict) -> int | None:
    """Return the number of channels of the first frame of a sheet; None if it cannot be read yet.

    images, steps : the config's `images` and `preprocess`
    """
    if steps["bayer"]:
        return 3
    try:
        page, scene = page_of(rows[0]), rows[0].get("scene") or ""
        with readers.open_chosen(rows[0]["image"], images, scene, page is not None) as file:
            frame = readers.frame_of(file, page, images["channels"])
    except (IndexError, InputError):  # simulated later, or reported when it is read for good
        return None
    return frame.shape[-1]


def _amount(value: object, key: str) -> str:
    if key == "network":
        return f"the network {value}"
    return f"{value} {key.removesuffix('s') if value == 1 else key}"


def _advice(key: str, value: object) -> str:
    if key == "network":
        return f"set networks: [{value}], or write {{network}} into the path"
    if key == "outputs":
        return "set network.target: " + next(
            (name for name, number in OUTPUTS.items() if number == value), "auto"
        )
    if key == "channels":
        return "set images.channels: " + (
            "[0]" if value == 1 else f"[{', '.join('0' * int(str(value)))}] for grey images"
        )
    return f"set network.{key}: {value}"
