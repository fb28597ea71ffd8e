# Load and validate the config and the sheet; constants, input functions and defaults that the rules share.

import functools
import shutil
import sys
from pathlib import Path

ROOT = Path(workflow.basedir)
sys.path.insert(0, str(ROOT / "workflow" / "scripts"))

import account
from brightcell.sheets import archive
from brightcell.recordings import chunks
from brightcell.compute import containers
from brightcell.recordings import ensemble
from brightcell import files
from brightcell import folds as folding
from brightcell import provenance
from brightcell.sheets import samples as sheets
from brightcell.simulation import files as simulated_sheet
from brightcell.config import validation as settings
from brightcell.compute import slurm
from brightcell.sheets import recordings as unlabelled
from brightcell.errors import InputError
from snakemake.exceptions import WorkflowError
from snakemake.io import apply_wildcards
from snakemake.logging import logger
from snakemake.settings.types import DeploymentMethod

# Every job reads this workflow again, on a cluster twice: what was looked for before it started is there.
FIRST_READING = workflow.is_main_process

try:
    config = settings.complete(
        config,
        settings.load_schema(ROOT / "workflow/schemas/config.schema.yaml"),
        source=", ".join(map(str, workflow.configfiles)),
    )
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
        unlabelled.read(
            config["segment"],
            check_files=FIRST_READING,
            memory=".snakemake/brightcell/pages.json",
        )
        if FETCHED
        else sheets.no_samples()
    )
    provenance.hold_to_first_reading(FIRST_READING, config, samples, recordings)
    MODELS = (
        ensemble.find_models(
            files.expand(config["segment"]["models"]),
            config["segment"]["network"],
            own=Path("results", config["dataset"]),
        )
        if config["segment"]["models"]
        else None
    )
    if config["simulate"]:
        simulated_sheet.check_simulated(samples, config["simulate"], SHEET)
    if SHEET and FETCHED and FIRST_READING:  # what is wrong is told now
        folding.assign_schemes(samples, config["folds"], SHEET)
    IMAGES = {
        kind: containers.address(ROOT, kind, named)
        for kind, named in config["containers"].items()
    }
    REFERENCES = {
        name: path and files.expand(path)
        for name, path in config["preprocess"].items()
        if name in ("flat", "dark")
    }
except InputError as error:
    raise WorkflowError(str(error)) from None

DATASET = config["dataset"]
GROUPS = list(dict.fromkeys(samples["group"]))
RECORDINGS = chunks.rows_of_recordings(recordings)
MODEL = "results/{dataset}/models/{scheme}/{network}/fold{fold}-seed{seed}"


pathvars:
    results="results/{dataset}",
    model=MODEL,
    segmented="results/{dataset}/segmented/{recording}",


# A shell that a cluster tells to end waits for its script, which may have a training to save.
shell.prefix("set -euo pipefail; trap : TERM; ")


# The Snakefile applies these behind all rules: where they stand before a rule, Snakemake does not apply them to the paths
# that its path variables, such as `<model>`, stand for.
CONSTRAINTS = {
    "dataset": re.escape(DATASET),
    "group": "|".join(map(re.escape, GROUPS)) or "none",
    "recording": "|".join(map(re.escape, RECORDINGS)) or "none",
    "scheme": "|".join(config["folds"]["schemes"]),
    "network": "|".join(config["networks"]),
    "fold": r"\d+",
    "seed": r"\d+",
    "chunk": chunks.PATTERN,
}


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
    return simulated_sheet.simulated_files(config["simulate"], kind, "{sequence}")


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
    if MODELS is not None:
        return [f"{folder}/{name}" for folder in MODELS]
    network = config["segment"]["network"]
    return expand(
        f"{MODEL}/{name}",
        dataset=DATASET,
        scheme=config["folds"]["schemes"][0],
        network=[network] if network else config["networks"],
        fold=folds_of(config["folds"]["schemes"][0]),
        seed=config["seeds"],
    )


def device_is_known():
    """The finding of the preflight, which trainings wait for unless they are to run on a CPU."""
    if config["compute"]["device"] == "cpu":
        return []
    return ancient("<results>/preflight.json")


def first_weights(wildcards):
    """The trained model that a training starts from, where the config names one."""
    template = config["training"]["init_weights"]
    if not template:
        return []
    return files.expand(template.format(**dict(wildcards.items())))


def chunk_rows(wildcards):
    """The rows of a chunk of a recording without masks, as dictionaries."""
    return chunks.rows_of(RECORDINGS[wildcards.recording], wildcards.chunk)


def first_rows(wildcards):
    """The rows of a recording by whose grey values all its frames are mapped, where they are mapped alike."""
    if config["preprocess"]["bit_depth"] != "group":
        return []
    return RECORDINGS[wildcards.recording][: chunks.FIRST]


@functools.cache
def chunks_of(recording):
    """The chunks of a recording: those that are finished, and new ones for the other frames."""
    folder = f"results/{DATASET}/segmented/{recording}/chunks"
    return chunks.plan(
        len(RECORDINGS[recording]),
        config["segment"]["chunk"],
        chunks.finished(folder),
    )


def chunk_files(name):
    """An input function: a file of every chunk of the recording in the wildcards."""
    return lambda wildcards: [
        f"results/{DATASET}/segmented/{wildcards.recording}/chunks/{chunk}/{name}"
        for chunk in chunks_of(wildcards.recording)
    ]


def probability_too(path):
    """An output for the foreground probability, where the config asks for it."""
    return {"probability": path} if config["segment"]["probability"] else {}


@functools.cache
def time_lapses():
    """The recordings whose frames have an order, by frame or by page, no two the same."""
    times = recordings["frame"].where(recordings["frame"] != "", recordings["page"])
    of_recording = times.groupby(recordings["group"], sort=False)
    return [
        name
        for name, own in of_recording
        if len(own) > 1 and own.is_unique and (own != "").all()
    ]


def followed():
    """The recordings whose cells are followed: time-lapses, unless the config says otherwise."""
    return time_lapses() if config["segment"]["tracks"]["link"] else []


def tracks_where_followed(wildcards):
    """The tracks of the recording in the wildcards, where its cells are followed."""
    if wildcards.recording not in followed():
        return []
    return f"results/{DATASET}/segmented/{wildcards.recording}/tracks.tsv"


def segmented(wildcards):
    """What `segment` makes of every recording."""
    if not RECORDINGS:
        raise WorkflowError(
            "segment: the config names no recordings. Expected their sheet, the columns sample, image and group without "
            "mask: segment: {samples: new/samples.tsv}, or their paths: segment: {images: new/*.tif}. docs/segment.md "
            "tells more."
        )
    return expand(
        "results/{dataset}/segmented/{recording}/{name}",
        dataset=DATASET,
        recording=list(RECORDINGS),
        name=[
            "labels.ome.tif",
            "cells.tsv",
            "frames.tsv",
            "rois.zip",
            "cells.geojson",
            "quality.tsv",
            "preview.html",
            *probability_too("probability.ome.tif").values(),
        ],
    ) + expand(
        "results/{dataset}/segmented/{recording}/{name}",
        dataset=DATASET,
        recording=followed(),
        name=["tracks.tsv", "ctc"],
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
        if rule.benchmark and rule.name not in ("gather_jobs", "account", "report")
        for unit in units
        if rule.wildcard_names == {"dataset", *unit[0]}
        for values in unit
    ]


def result(name):
    """A file of the config's results folder."""
    return f"results/{DATASET}/{name}"


code_digest = functools.cache(provenance.code_digest)


def code(script):
    """Digest of the library modules that a script imports: an edited module reruns the rule.

    Made only for rules that have a job: every job on a cluster reads this workflow twice.
    """
    path = ROOT / "workflow" / "scripts" / script
    return lambda wildcards: code_digest(path)


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


def check_results_folder():
    """Refuse a results folder that cannot be written to before any job starts."""
    try:
        files.check_writable(result(""))
    except InputError as error:
        raise WorkflowError(str(error)) from None


def on_slurm():
    """Tell whether jobs are submitted to SLURM."""
    return workflow.executor_plugin.name == "slurm"


def check_leftovers():
    """Refuse to start while SLURM jobs of a run that was killed still work in this folder, or may do so."""
    try:
        left = slurm.jobs_of(Path.cwd()) if shutil.which("squeue") else []
    except InputError as error:
        unknown = f"whether jobs of an earlier run still work in this folder is not known: {error}"
        if not on_slurm():  # SLURM may be installed and not run
            logger.warning(unknown)
            return
        raise WorkflowError(f"{unknown} Start again when SLURM answers.") from None
    if left:
        listed = ", ".join(f"{job.number} ({job.what})" for job in left[:5])
        raise WorkflowError(
            f"{Path.cwd()}: jobs of an earlier run are still in SLURM's queue, {len(left)} in all: {listed}. Expected none, "
            "because two jobs must not write one file. Wait for their end, or cancel them: `make leftovers CANCEL=yes`; "
            "trainings go on from their saved state. If a run of another config is at work here: --no-hooks."
        )


def check_requests():
    """Refuse what SLURM would refuse, one job a rule, before any starts: of a group Snakemake tells only that it failed."""
    jobs = {
        job.rule.name: job for job in workflow.dag.needrun_jobs() if not job.is_local
    }
    asked = {slurm.options(job.resources): name for name, job in jobs.items()}
    try:
        for options, name in asked.items() if on_slurm() else ():
            slurm.check_request(name, options)
    except InputError as error:
        raise WorkflowError(str(error)) from None


def show_to_containers():
    """Let containers see the folders of images and results that lie outside the working folder."""
    files = [*samples["image"], *samples["mask"], *recordings["image"]]
    own = [SHEET] if SHEET else []
    own += [ROOT / "Snakefile", Path("results/any").resolve(), *members("model.keras")]
    containers.bind([*files, *own], visible=[Path.cwd()])


def megabytes(base):
    """Memory in MB that grows with each attempt."""
    return lambda wildcards, attempt: base * attempt


def minutes(base):
    """Run time in minutes that grows with each attempt."""
    return lambda wildcards, attempt: base * attempt


def get_final_output():
    """What `snakemake` without a target makes: the report, or the recordings where nothing is trained."""
    return [result("report.html")] if SHEET else segmented
