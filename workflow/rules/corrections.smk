# What the rules of suggest, correct, train and retrain ask: which crops a person drew, and which networks start from others.

from brightcell.annotation import folder, held_out
from brightcell.training import budget

SUGGESTIONS = Path(result("suggest"))


# Asked for by the rules that need it alone: it looks at the path of every frame.
@functools.cache
def closed_recordings():
    """Recordings that must not be drawn, because they test or validate the networks, each with its group."""
    return held_out.closed(RECORDINGS, samples, config["folds"]["schemes"])


def open_recordings():
    """Recordings that may be drawn."""
    return [name for name in RECORDINGS if name not in closed_recordings()]


@functools.cache
def crops_of_person():
    """What is known of each crop that was written for a person, by its name."""
    return folder.known(SUGGESTIONS)


def of_open_recordings(name):
    """An input function: a file of every recording that may be drawn."""

    def paths(wildcards):
        segmented_recordings(wildcards)
        if not open_recordings():
            raise WorkflowError(
                f"suggest: all {len(RECORDINGS)} recordings test or validate the networks, such as {next(iter(closed_recordings()))}: "
                "what is drawn there cannot train without a leak. Expected recordings that are not in the sample sheet: "
                "name others in `segment`."
            )
        return [
            result(f"segmented/{recording}/{name}") for recording in open_recordings()
        ]

    return paths


CORRECTIONS = Path(files.expand(config["correct"]["folder"] or result("corrected")))


@functools.cache
def corrections():
    """The files of each corrected crop."""
    try:
        found = folder.find(CORRECTIONS, crops_of_person())
    except InputError as error:
        raise WorkflowError(str(error)) from None
    return {name: list(map(str, paths)) for name, paths in found.items()}


def corrected_files(wildcards):
    """The corrected files, and the crops that they belong to."""
    if not corrections():
        raise WorkflowError(
            f"{CORRECTIONS}: no corrected crops. Expected files that begin with the name of a crop in {SUGGESTIONS}/images, "
            "such as its label image or its ROIs: `snakemake suggest` writes the crops, docs/correct-and-retrain.md says "
            "more. Another folder: `correct: {folder: …}` in the config."
        )
    return [
        *(path for paths in corrections().values() for path in paths),
        *(
            str(folder.path_of(SUGGESTIONS, kind, name))
            for name in corrections()
            for kind in ("images", "predicted")
        ),
    ]


def held_out_crops(wildcards):
    """What tells crops that must not be trained on: recordings that test networks, samples that have masks."""
    rows = {}
    for name in corrections():
        about = crops_of_person()[name]
        rows.setdefault(about["recording"], []).append(about)
    schemes = config["folds"]["schemes"]
    return {
        "closed": closed_recordings() | held_out.closed(rows, samples, schemes),
        "annotated": held_out.annotated(rows, samples),
    }


# The networks before: those that the config names, or the one that segments, or all.
BEFORE = config["retrain"]["networks"] or [
    network
    for network in config["networks"]
    if config["segment"]["network"] in (None, network, f"{network}{networks.RETRAINED}")
]


def scored_frames(wildcards):
    """The scores of the networks before and after."""
    if not TRAININGS or not SHEET:
        raise WorkflowError(
            "retrain: this config trains no networks, so that there are none to train on, and no groups to test them. Expected the "
            "config of the study that the networks come from. With a colleague's networks: docs/fine-tuning.md."
        )
    scheme = config["folds"]["schemes"][0]
    after = [name for name, before in STARTS.items() if before in BEFORE]
    return [
        f"{MODEL.format(**training)}/frames.tsv"
        for training in TRAININGS + RETRAININGS
        if training["scheme"] == scheme and training["network"] in [*BEFORE, *after]
    ]


def start_of(wildcards):
    """The model that a training starts from: the network before it, or what the config names, if it does."""
    if wildcards.network in STARTS:
        before = dict(wildcards) | {"network": STARTS[wildcards.network]}
        return f"{MODEL}/model.keras".format(**before)
    named = config["training"]["init_weights"]
    return files.expand(named.format(**wildcards)) if named else []


def if_trained_on(name):
    """An input function: a file of the corrected crops, where a network is trained on with them."""
    return lambda wildcards: (
        result(f"correct/{name}") if wildcards.network in STARTS else []
    )


def training_of(wildcards):
    """The settings of a training."""
    if wildcards.network in STARTS:
        return budget.shorter(config["training"], config["retrain"])
    return config["training"]
