# Load and validate the config and the sheet; constants, input functions and defaults that the rules share.

import sys
from pathlib import Path

ROOT = Path(workflow.basedir)
sys.path.insert(0, str(ROOT / "workflow" / "scripts"))

from brightcell import folds as folding, provenance, samples as sheets, settings
from brightcell.errors import InputError
from snakemake.exceptions import WorkflowError

try:
    config = settings.complete(
        config,
        settings.load_schema(ROOT / "workflow/schemas/config.schema.yaml"),
        source=", ".join(map(str, workflow.configfiles)),
    )
    SHEET = settings.expand(config["samples"])
    samples = sheets.read_samples(
        SHEET,
        check_files=True,
        exempt=config["simulate"]["folder"] if config["simulate"] else (),
    )
    recordings = (
        sheets.read_samples(
            settings.expand(config["segment"]["samples"]),
            masks=False,
            check_files=True,
            key="segment.samples",
        )
        if config["segment"]["samples"]
        else samples[:0]
    )
    if config["simulate"]:
        sheets.check_simulated(samples, config["simulate"], SHEET)
    folding.assign_schemes(samples, config["folds"], SHEET)  # what is wrong is told now
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
    group="|".join(map(re.escape, GROUPS)),
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
    return lambda wildcards: [row[column] for row in rows_of(wildcards.group)]


def simulated(kind):
    """The files that the simulator writes for a sequence: `images` or `masks`."""
    if not config["simulate"]:
        return f"results/simulate/unused/sequence{{sequence}}/{kind}"
    return sheets.simulated_files(config["simulate"], kind, "{sequence}")


def simulated_files():
    """All of them."""
    return [*samples["image"], *samples["mask"]] if config["simulate"] else []


def every_group(name):
    """A prepared file of every group."""
    return expand(f"results/{DATASET}/prepared/{{group}}/{name}", group=GROUPS)


def every_model(name):
    """A file of every model that the config asks for."""
    return [
        path
        for scheme in config["folds"]["schemes"]
        for path in expand(
            f"{MODEL}/{name}",
            dataset=DATASET,
            scheme=scheme,
            network=config["networks"],
            fold=folds_of(scheme),
            seed=config["seeds"],
        )
    ]


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


def recording_rows(wildcards):
    """The rows of a recording without masks, as dictionaries, in the order of time where it is given."""
    rows = recordings[recordings["group"] == wildcards.recording].to_dict("records")
    return sorted(rows, key=lambda row: int(row["frame"] or 0))


def result(name):
    """A file of the config's results folder."""
    return f"results/{DATASET}/{name}"


def code(script):
    """Digest of the library modules that a script imports: an edited module reruns the rule."""
    return provenance.code_digest(ROOT / "workflow" / "scripts" / script)


def image(kind):
    """The container image of a kind of job, in the project's folder."""
    return str(ROOT / "containers" / f"{kind}.sif")


def megabytes(base):
    """Memory in MB that grows with each attempt."""
    return lambda wildcards, attempt: base * attempt


def minutes(base):
    """Run time in minutes that grows with each attempt."""
    return lambda wildcards, attempt: base * attempt


def get_final_output():
    """What `snakemake` without a target makes."""
    return [result("report.html")]
