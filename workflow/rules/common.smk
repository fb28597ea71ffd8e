# Config, sheet and recordings, checked; and what more than one file of rules uses. No rule is defined here.

import functools
import os
import sys
from pathlib import Path

from snakemake.exceptions import WorkflowError
from snakemake.settings.types import DeploymentMethod
from snakemake.sourcecache import LocalSourceFile

RULES = workflow.current_basedir
if not isinstance(RULES, LocalSourceFile):
    raise WorkflowError(
        f"{RULES}: the rules need the library that lies beside them. Expected a folder of this machine: clone the project, "
        "and name its workflow/Snakefile by its path."
    )
ROOT = Path(RULES).parents[1]
SCRIPTS = ROOT / "workflow" / "scripts"
sys.path.insert(0, str(SCRIPTS))

from brightcell import contestants, files, folds, provenance, trained
from brightcell.compute import containers, pace
from brightcell.config import networks, validation
from brightcell.errors import InputError
from brightcell.recordings import chunks, ensemble
from brightcell.sheets import (
    archive,
    recordings as sheets_of_recordings,
    samples as sheets,
)
from brightcell.simulation.files import check_simulated

# Every job reads this workflow again, on a cluster twice: what was looked for before it started is there.
FIRST_READING = workflow.is_main_process

try:
    config = validation.complete(
        config,
        validation.load_schema(ROOT / "workflow/schemas/config.schema.yaml"),
        source=", ".join(map(str, workflow.configfiles)),
        given=workflow.config_settings.config,
    )
    WHOLE_PLAN = pace.plan_of(config)
    config = pace.shortened(config)
    for each in config["contestants"].values():
        each["weights"] = files.expand(each["weights"]) if each["weights"] else None
        each["labels"] = files.expand(each["labels"]) if each["labels"] else None
    if FIRST_READING:
        contestants.check_tools(config, ROOT)
    SHEET = files.expand(config["samples"]) if config["samples"] else None
    FETCHED = archive.fetched(SHEET, config["archive"])
    samples = (
        sheets.read_samples(
            SHEET,
            check_files=FIRST_READING,
            exempt=config["simulate"]["folder"] if config["simulate"] else (),
        )
        if SHEET and FETCHED
        else sheets.no_samples()
    )
    recordings = (
        sheets_of_recordings.read(
            config["segment"],
            check_files=FIRST_READING,
            memory=".snakemake/brightcell/pages.json",
            images=config["images"],
        )
        if FETCHED
        else sheets.no_samples()
    )
    TRUE_TRACKS = chunks.truth_of_recordings(recordings)
    CIRCUMSTANCES = sheets_of_recordings.circumstances(
        recordings, config["segment"]["interval_min"]
    )
    provenance.hold_to_first_reading(FIRST_READING, config, samples, recordings)
    GIVEN_MODELS = (
        ensemble.find_models(
            files.expand(config["segment"]["models"]),
            config["segment"]["network"],
            own=Path("results", config["dataset"]),
        )
        if config["segment"]["models"]
        else None
    )
    if config["simulate"]:
        check_simulated(samples, config["simulate"], SHEET)
    if config["training"]["init_weights"] and FIRST_READING:
        from brightcell.training import starting

        channels = starting.channels_of(
            samples.to_dict("records"), config["images"], config["preprocess"]
        )
        for training in folds.trainings(config):
            starting.check_start(
                files.expand(config["training"]["init_weights"].format(**training)),
                training["network"],
                config["network"],
                channels,
            )
    # The files of labels that were made elsewhere, of each contestant and sample that is tested.
    TESTED = (
        samples[samples["split"] == "test"]
        if config["folds"]["schemes"] == ["sheet"]
        else samples
    )
    LABELS = {
        name: contestants.files_of(
            entry["labels"], Path(SHEET).parent, TESTED.to_dict("records")
        )
        for name, entry in contestants.given(config).items()
    }
    if FIRST_READING:
        for name, found in LABELS.items():
            contestants.check_files(name, found)
    if SHEET and FETCHED and FIRST_READING:  # faults are reported before any job
        folds.assign_schemes(samples, config["folds"], SHEET)
    IMAGES = {
        kind: containers.usable(
            containers.address(ROOT, kind, named),
            DeploymentMethod.APPTAINER
            in workflow.deployment_settings.deployment_method,
        )
        for kind, named in config["containers"].items()
    }
    # The pictures that steps for raw data need: the config's paths, written out.
    REFERENCES = {
        name: files.expand(config["preprocess"][name])
        for name in ("flat", "dark")
        if config["preprocess"][name]
    }
except InputError as error:
    # Paths in a config begin where Snakemake works, which need not be the project's folder.
    elsewhere = f"\nRelative paths begin in {Path.cwd()}, where Snakemake works."
    raise WorkflowError(f"{error}{elsewhere if Path.cwd() != ROOT else ''}") from None

DATASET = config["dataset"]
PREPROCESS = config["preprocess"] | REFERENCES
GROUPS = list(dict.fromkeys(samples["group"]))
ANNOTATIONS = sheets.shared_annotations(samples)
RECORDINGS = chunks.rows_of_recordings(recordings)
TRAININGS = folds.trainings(config)
RUNS = contestants.every_run(config)
# Networks that are trained on with corrected crops, each with the one that it starts from; made where they are asked for.
STARTS = networks.starts(config["networks"])
RETRAININGS = [
    training | {"network": f"{training['network']}{networks.RETRAINED}"}
    for training in TRAININGS
    if training["scheme"] == config["folds"]["schemes"][0]
]
NETWORKS = [*config["networks"], *STARTS]
NETWORK = f"results/{DATASET}/models/{{scheme}}/{{network}}"
MODEL = f"{NETWORK}/fold{{fold}}-seed{{seed}}"


pathvars:
    results=f"results/{DATASET}",
    network=NETWORK,
    model=MODEL,
    segmented=f"results/{DATASET}/segmented/{{recording}}",


# A shell that a cluster asks to end waits for its script, which may have a training to save.
shell.prefix("set -euo pipefail; trap : TERM; ")


def one_of(names):
    """The wildcard constraint for some names; without any, one that nothing matches."""
    return "|".join(map(re.escape, names)) or "(?!)"


# The Snakefile applies these behind all rules: where they stand before a rule, Snakemake does not apply them to the paths
# that its path variables, such as `<model>`, stand for.
CONSTRAINTS = {
    "group": one_of(GROUPS),
    "annotations": one_of(ANNOTATIONS.values()),
    "recording": one_of(RECORDINGS),
    "scheme": one_of(config["folds"]["schemes"]),
    "network": one_of(NETWORKS),
    "fold": r"\d+",
    "seed": r"\d+",
    "chunk": chunks.PATTERN,
}


def growing(mem_mb, minutes):
    """Memory in MB and run time in minutes; both grow with every attempt."""
    return {
        "mem_mb": lambda wildcards, attempt: mem_mb * attempt,
        "runtime": lambda wildcards, attempt: minutes * attempt,
    }


# What a job asks for.
SMALL = growing(500, 5)  # reads and writes tables
MEDIUM = growing(2000, 40)  # passes over frames, one at a time
LARGE = growing(4000, 60)  # predicts with a network, or passes over a whole recording
LONG = growing(8000, 480)  # trains a network, or predicts with many


def result(name):
    """A file of the config's results folder."""
    return f"results/{DATASET}/{name}"


def every_group(name):
    """A prepared file of every group."""
    if not FETCHED:
        return fetch_first
    return expand(result("prepared/{group}/") + name, group=GROUPS)


def fetch_first(wildcards):
    """Stand in for input that is known only when the archive is there."""
    raise WorkflowError(archive.advice(SHEET, workflow.configfiles))


def finished(trainings):
    """The trainings, or those of them that are scored already where the config takes no others."""
    if config["comparison"]["unfinished"] != "skip":
        return trainings
    return [
        training
        for training in trainings
        if Path(MODEL.format(**training), "frames.tsv").is_file()
    ] or trainings


def every_run(name, networks=None):
    """A file of every run of networks and contestants, or of those that are scored already; of these names alone."""
    return [
        f"{MODEL.format(**run)}/{name}"
        for run in finished(RUNS)
        if networks is None or run["network"] in networks
    ]


def every_model(name):
    """A file of every model that the config asks for, or of those that are scored already."""
    return every_run(name, config["networks"])


def trainings_of(wildcards):
    """The trainings of a scheme and network, or those of them that are scored already."""
    return finished(
        [
            training
            for training in TRAININGS + RETRAININGS
            if (training["scheme"], training["network"])
            == (wildcards.scheme, wildcards.network)
        ]
    )


def every_ensemble(name):
    """A file of every network with trainings of the first scheme, which segment together."""
    networks = dict.fromkeys(
        NETWORK.format(**training)
        for training in finished(TRAININGS)
        if training["scheme"] == config["folds"]["schemes"][0]
    )
    return [f"{path}/{name}" for path in networks]


def members(name):
    """A file of every model that segments: of the first scheme, of one network if the config names it."""
    if GIVEN_MODELS is not None:
        return [f"{folder}/{name}" for folder in GIVEN_MODELS]
    wanted = config["segment"]["network"]
    return [
        f"{MODEL.format(**training)}/{name}"
        for training in (RETRAININGS if wanted in STARTS else TRAININGS)
        if training["scheme"] == config["folds"]["schemes"][0]
        and wanted in (None, training["network"])
    ]


def expected_scores():
    """What is known of how well the models that segment do together; where they come from elsewhere, if it is there."""
    if GIVEN_MODELS is not None:
        return trained.expected_beside(GIVEN_MODELS)
    return list(
        dict.fromkeys(
            f"{Path(path).parents[1]}/expected.tsv" for path in members("model.keras")
        )
    )


def device_is_known():
    """What the preflight found. Trainings wait for it unless they are to run on a CPU."""
    if config["compute"]["device"] == "cpu":
        return []
    return ancient("<results>/preflight.json")


def trainings_at_once():
    """How many trainings run side by side on this machine: each takes eight cores, or all where there are fewer."""
    cores = workflow.resource_settings.cores
    return max(1, cores // 8) if isinstance(cores, int) and cores < sys.maxsize else 1


def pace_if_here():
    """The measured time of a step, where trainings run on the machine that measures."""
    here = (
        workflow.executor_plugin is None
        or workflow.executor_plugin.common_settings.local_exec
    )
    return "<results>/pace.json" if here and TRAININGS else []


def own_rules():
    """The rules of this project; a workflow that uses them as a module has others beside them."""
    return [each for each in workflow.rules if each.basedir == RULES]


code_digest = functools.cache(provenance.code_digest)


def pages(*names):
    """A parameter: where scripts find the templates of pages, and a digest of the files or folders that they need.

    The digest is made for rules that have a job, as `watch_the_library` makes its own.
    """
    return lambda wildcards: {
        "folder": os.path.relpath(ROOT / "workflow/report"),
        "digest": provenance.pages_digest(names),
    }


def watch_the_library():
    """Make the digest of the library modules that a script imports a parameter: an edited module reruns its jobs.

    The digest is made for rules that have a job: every job on a cluster reads this workflow twice.
    """
    for each in own_rules():
        if each.script:
            script = SCRIPTS / Path(each.script).name
            each.set_params(code=lambda wildcards, script=script: code_digest(script))
