"""What one key of a config asks of another. Schemas cannot say this."""

from collections.abc import Callable, Iterator

from brightcell.errors import nearest

from .networks import network_names, starts

Sound = Callable[..., bool]


def problems(config: dict, faulty: set[str]) -> Iterator[str]:
    """Yield the faults between keys of a completed config, each with what to do.

    `faulty` holds the paths of keys that are wrong by themselves; what depends on them is not checked.
    """

    def sound(*keys: str) -> bool:
        return not any(
            f"{key}.".startswith(f"{path}.") or path.startswith(f"{key}[") for key in keys for path in faulty
        )

    for check in (
        _sides,
        _overlap,
        _budget,
        _samples,
        _recordings,
        _segmenting_network,
        _retrained_networks,
        _contestants,
        _source_of_images,
        _ranges,
        _raw_data,
        _target,
    ):
        yield from check(config, sound)


def _sides(config: dict, sound: Sound) -> Iterator[str]:
    """Patches and tiles are halved once a level."""
    for parent, key in (("training", "patch"), ("prediction", "tile")):
        if not sound(f"{parent}.{key}", "network.levels"):
            continue
        size, levels = config[parent][key], config["network"]["levels"]
        step = 2 ** (levels - 1)
        if size % step:
            sides = [side for side in (size // step * step, (size // step + 1) * step) if side]
            yield (
                f"{parent}.{key}: found {size}; expected a multiple of {step}, because network.levels is {levels}: "
                f"take {' or '.join(map(str, sides))}"
            )


def _overlap(config: dict, sound: Sound) -> Iterator[str]:
    if not sound("prediction.tile", "prediction.overlap"):
        return
    overlap, tile = (config["prediction"][key] for key in ("overlap", "tile"))
    if overlap is not None and overlap >= tile:
        yield f"prediction.overlap: found {overlap}; expected less than prediction.tile, {tile}"


def _budget(config: dict, sound: Sound) -> Iterator[str]:
    """Trials of learning rates leave something to train with; what ends by the clock cannot repeat bit for bit."""
    training = config["training"]
    if (
        sound("training.minutes", "training.deterministic")
        and training["minutes"]
        and training["deterministic"]
    ):
        yield (
            "training.minutes: found with deterministic true; a training that ends by the clock is never the same twice: "
            "take epochs, or deterministic false"
        )
    keys = ("epochs", "minutes", "learning_rate", "rate_share")
    if not sound(*(f"training.{key}" for key in keys)) or not isinstance(training["learning_rate"], list):
        return
    number, share = len(training["learning_rate"]), training["rate_share"]
    if not training["minutes"]:
        share = (
            max(1, round(training["epochs"] * share)) / training["epochs"]
        )  # as `training.budget.divide` does it
    if number > 1 and number * share >= 1:
        yield (
            f"training.learning_rate: found {number} rates to try, each for {share:.2g} of the training, which leaves "
            "nothing of it; expected fewer rates, a smaller training.rate_share or more epochs"
        )


def _samples(config: dict, sound: Sound) -> Iterator[str]:
    if not sound("samples", "segment") or config["samples"] is not None:
        return
    if config["segment"]["models"] is None:
        yield (
            "samples: missing; expected the path of the sample sheet. Only a config with segment.models, which trains "
            "nothing, can do without"
        )
    if config["archive"] or config["simulate"]:
        found = "archive" if config["archive"] else "simulate"
        yield f"samples: missing beside {found}; expected the sheet of its images"


def _recordings(config: dict, sound: Sound) -> Iterator[str]:
    if not sound("samples", "segment"):
        return
    segment = config["segment"]
    if segment["samples"] and segment["images"]:
        yield "segment: found samples and images; expected one of them: delete the other"
    if segment["models"] and not (segment["samples"] or segment["images"]):
        yield (
            "segment.models: found without recordings; expected segment.samples, a sheet, or segment.images, such as "
            "new/*.tif"
        )
    if segment["pattern"] and not segment["images"]:
        yield (
            "segment.pattern: found without segment.images, whose names it reads; delete it, because a sheet has columns "
            "for recording and frame"
        )


def _segmenting_network(config: dict, sound: Sound) -> Iterator[str]:
    if not sound("segment.network", "networks", "segment.models") or config["segment"]["models"]:
        return
    network = config["segment"]["network"]
    known = [*config["networks"], *starts(config["networks"])]
    if network is not None and network not in known:
        guess = nearest(network, known)
        hint = f"; did you mean {guess!r}?" if guess else ""
        yield (
            f"segment.network: found {network!r}; expected one of the networks that are trained, "
            f"{', '.join(config['networks'])}, or null{hint}"
        )


def _retrained_networks(config: dict, sound: Sound) -> Iterator[str]:
    if not sound("retrain.networks", "networks"):
        return
    for network in config["retrain"]["networks"] or []:
        if network not in config["networks"]:
            guess = nearest(network, config["networks"])
            hint = f"; did you mean {guess!r}?" if guess else ""
            yield (
                f"retrain.networks: found {network!r}; expected some of the networks that are trained, "
                f"{', '.join(config['networks'])}, or null{hint}"
            )


def _contestants(config: dict, sound: Sound) -> Iterator[str]:
    """A contestant is a tool or labels, has one budget, and a name that no network has."""
    if not sound("contestants", "networks"):
        return
    taken = {*network_names(), *starts(network_names()), "all", "truth"} if config["contestants"] else ()
    for name, entry in config["contestants"].items():
        key = f"contestants.{name}"
        if name.lower() in taken:
            yield f"{key}: found the name of a network or one that the tables use; expected another, such as {name}_tool"
        beside = [each for each in ("tool", "minutes", "epochs", "weights", "options") if entry[each]]
        if entry["labels"] and beside:
            yield (
                f"{key}.labels: found beside {', '.join(beside)}; expected labels alone, because they are there already: "
                "delete the others"
            )
        if entry["minutes"] is not None and entry["epochs"] is not None:
            yield f"{key}: found minutes and epochs; expected one of them: delete the other"
        if entry["held_out"] and not (entry["labels"] or entry["weights"]):
            yield f"{key}.held_out: found without labels and weights; delete it, because what is trained here is held out"


def _source_of_images(config: dict, sound: Sound) -> Iterator[str]:
    if not config["archive"] or not sound("archive.url", "archive.file", "archive.package"):
        return
    given = [key for key in ("url", "file", "package") if config["archive"][key]]
    if len(given) != 1:
        found = ", ".join(f"archive.{key}" for key in given) or "none of them"
        yield f"archive: found {found}; expected one of archive.url, archive.file and archive.package"
    if config["simulate"]:
        yield "archive: found beside simulate; expected one of them: delete the other"


def _ranges(config: dict, sound: Sound) -> Iterator[str]:
    for parent, key, example in (
        ("images", "percentiles", [0.5, 99.5]),
        ("preprocess", "bit_depth_percentiles", [0.5, 99.5]),
        ("check", "cell_diameter_um", [5, 200]),
    ):
        if sound(f"{parent}.{key}"):
            low, high = config[parent][key]
            if low >= high:
                yield f"{parent}.{key}: found {[low, high]}; expected the smaller first, such as {example}"


def _raw_data(config: dict, sound: Sound) -> Iterator[str]:
    steps = config["preprocess"]
    if sound("preprocess.flat", "preprocess.dark") and steps["dark"] and not steps["flat"]:
        yield "preprocess.dark: found without preprocess.flat; expected both, or flat alone"
    if sound("preprocess.crop") and steps["crop"] and min(steps["crop"][2:]) < 1:
        yield (
            f"preprocess.crop: found {steps['crop']}; expected top, left, height, width with a height and a width of at "
            "least 1"
        )


def _target(config: dict, sound: Sound) -> Iterator[str]:
    if not sound("images.mask_type", "network.target"):
        return
    if config["images"]["mask_type"] == "binary" and config["network"]["target"] == "foreground+distance":
        yield (
            "network.target: found 'foreground+distance'; expected foreground or auto, because images.mask_type is binary: "
            "such masks do not tell touching cells apart"
        )
