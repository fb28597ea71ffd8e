# Load and validate the config and the sheet; constants, input functions and defaults that the rules share.

import sys
from pathlib import Path

ROOT = Path(workflow.basedir)
sys.path.insert(0, str(ROOT / "workflow" / "scripts"))

from brightcell import (
    archive,
    containers,
    folds as folding,
    provenance,
    samples as sheets,
    settings,
)
from brightcell.errors import InputError
from snakemake.exceptions import WorkflowError
from snakemake.io import apply_wildcards
from snakemake.settings.types import DeploymentMethod

try:
    config = settings.complete(
        config,
        settings.load_schema(ROOT / "workflow/schemas/config.schema.yaml"),
        source=", ".join(map(str, workflow.configfiles)),
    )
    SHEET = settings.expand(config["samples"])
    FETCHED = archive.fetched(SHEET, config["archive"])
    samples = (
        sheets.read_samples(
            SHEET,
            check_files=True,
            exempt=config["simulate"]["folder"] if config["simulate"] else (),
        )
        if FETCHED
        else sheets.no_samples()
    )
    recordings = (
        sheets.read_samples(
            settings.expand(config["segment"]["samples"]),
            masks=False,
            check_files=True,
            key="segment.samples",
        )
        if config["segment"]["samples"] and FETCHED
        else samples[:0]
    )
    if config["simulate"]:
        sheets.check_simulated(samples, config["simulate"], SHEET)
    if FETCHED:  # what is wrong is told now
        folding.assign_schemes(samples, config["folds"], SHEET)
    IMAGES = {
        kind: containers.address(ROOT, kind, named)
        for kind, named in config["containers"].items()
    }
    REFERENCES = {
        name: path and settings.expand(path)
        for name, path in config["preprocess"].items()
        if name in ("flat", "dark")
    }
except InputError as error:
    raise WorkflowError(str(error)) from None

DATASET = config["dataset"]
GROUPS = list(dict.fromkeys(samples["group"]))
RECORDINGS = list(dict.fromkeys(recordings["group"]))
MODEL = "results/{dataset}/models/{scheme}/{network}/fold{fold}-seed{seed}"


pathvars:
    results="results/{dataset}",
    model=MODEL,


wildcard_constraints:
    dataset=re.escape(DATASET),
    group="|".join(map(re.escape, GROUPS)) or "none",
    recording="|".join(map(re.escape, RECORDINGS)) or "none",
    scheme="|".join(config["folds"]["schemes"]),
    network="|".join(config["networks"]),
    fold=r"\d+",
    seed=r"\d+",


def folds_of(scheme):
    """The numbers of a scheme's folds; the sheet's own split is a single one."""
    return range(1, config["folds"]["number"] + 1) if scheme != "sheet" else range(1, 2)


def rows_of(group):
    """The sheet's rows of a group, as dictionaries."""
    return samples[samples["group"] == group].to_dict("records")


def files_of(column):
    """An input function: the images or the masks of the group in the wildcards."""
    return lambda wildcards: unique(row[column] for row in rows_of(wildcards.group))


def unique(files):
    """Each file once: a stack stands in many rows."""
    return list(dict.fromkeys(files))


def preprocessing():
    """The config's steps for raw data, with the paths of their pictures written out."""
    return config["preprocess"] | REFERENCES


def reference_frames():
    """The pictures that these steps need."""
    return [path for path in REFERENCES.values() if path]


def simulated(kind):
    """The files that the simulator writes for a sequence: `images` or `masks`."""
    if not config["simulate"]:
        return f"results/simulate/unused/sequence{{sequence}}/{kind}"
    return sheets.simulated_files(config["simulate"], kind, "{sequence}")


def simulated_files():
    """All of them."""
    return [*samples["image"], *samples["mask"]] if config["simulate"] else []


def fetch_first(wildcards):
    """Stand in for input that is known only when the archive is there."""
    raise WorkflowError(archive.advice(SHEET, workflow.configfiles))


def every_group(name):
    """A prepared file of every group."""
    if not FETCHED:
        return fetch_first
    return expand(f"results/{DATASET}/prepared/{{group}}/{name}", group=GROUPS)


def trainings():
    """Scheme, network, fold and seed of every model that the config asks for."""
    return [
        dict(scheme=scheme, network=network, fold=fold, seed=seed)
        for scheme in config["folds"]["schemes"]
        for network in config["networks"]
        for fold in folds_of(scheme)
        for seed in config["seeds"]
    ]


def every_model(name):
    """A file of every model that the config asks for, or of those that are scored already."""
    models = [MODEL.format(dataset=DATASET, **training) for training in trainings()]
    if config["comparison"]["unfinished"] == "skip":
        models = [
            path for path in models if Path(path, "frames.tsv").is_file()
        ] or models
    return [f"{path}/{name}" for path in models]


def members(name):
    """A file of every model that may segment: those of the first scheme, of one network if the config names it."""
    network = config["segment"]["network"]
    return expand(
        f"{MODEL}/{name}",
        dataset=DATASET,
        scheme=config["folds"]["schemes"][0],
        network=[network] if network else config["networks"],
        fold=folds_of(config["folds"]["schemes"][0]),
        seed=config["seeds"],
    )


def first_weights(wildcards):
    """The trained model that a training starts from, where the config names one."""
    template = config["training"]["init_weights"]
    if not template:
        return []
    return settings.expand(template.format(**dict(wildcards.items())))


def recording_rows(wildcards):
    """The rows of a recording without masks, as dictionaries, in the order of time where it is given."""
    rows = recordings[recordings["group"] == wildcards.recording].to_dict("records")
    return sorted(rows, key=lambda row: int(row["frame"] or 0))


def segmented(wildcards):
    """What `segment` makes of every recording."""
    if not RECORDINGS:
        raise WorkflowError(
            "segment: the config names no recordings. Expected their sheet, the columns sample, image and group without "
            "mask: segment: {samples: new/samples.tsv}. docs/segment.md tells more."
        )
    return expand(
        "results/{dataset}/segmented/{recording}/{name}",
        dataset=DATASET,
        recording=RECORDINGS,
        name=["labels.tif", "cells.tsv"],
    )


def jobs_of_the_results(wildcards):
    """Rule, wildcards, log and benchmark of every job behind the comparison, for the table of jobs."""
    units = [[{}], [{"group": group} for group in GROUPS], trainings()]
    return [
        {
            "rule": rule.name,
            "wildcards": values,
            "log": apply_wildcards(rule.log[0], {"dataset": DATASET} | values),
            "benchmark": apply_wildcards(rule.benchmark, {"dataset": DATASET} | values),
        }
        for rule in workflow.rules
        if rule.benchmark and rule.name not in ("gather_jobs", "report")
        for unit in units
        if rule.wildcard_names == {"dataset", *unit[0]}
        for values in unit
    ]


def result(name):
    """A file of the config's results folder."""
    return f"results/{DATASET}/{name}"


def code(script):
    """Digest of the library modules that a script imports: an edited module reruns the rule."""
    return provenance.code_digest(ROOT / "workflow" / "scripts" / script)


def image(kind):
    """The container image of a kind of job: the config's, else the project's own."""
    return IMAGES[kind]


def containers_in_use():
    """Tell whether jobs run in containers, `--sdm apptainer`."""
    return DeploymentMethod.APPTAINER in workflow.deployment_settings.deployment_method


def check_containers():
    """Refuse a missing, damaged or outdated image before any job starts."""
    images = {job.container_img for job in workflow.dag.needrun_jobs()} - {None}
    try:
        for path in sorted(str(each.path) for each in images):
            containers.verify(ROOT, path)
    except InputError as error:
        raise WorkflowError(str(error)) from None


def show_to_containers():
    """Let containers see the folders of images and results that lie outside the working folder."""
    files = [*samples["image"], *samples["mask"], *recordings["image"]]
    own = [SHEET, ROOT / "Snakefile", Path("results/any").resolve()]
    containers.bind([*files, *own], visible=[Path.cwd()])


def megabytes(base):
    """Memory in MB that grows with each attempt."""
    return lambda wildcards, attempt: base * attempt


def minutes(base):
    """Run time in minutes that grows with each attempt."""
    return lambda wildcards, attempt: base * attempt


def get_final_output():
    """What `snakemake` without a target makes."""
    return [result("report.html")]
