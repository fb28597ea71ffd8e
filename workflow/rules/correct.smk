# Corrected crops taken back: checked, every version kept, ready for training.

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
        "closed": CLOSED | held_out.closed(rows, samples, schemes),
        "annotated": held_out.annotated(rows, samples),
    }


rule correct:
    """Take back corrected crops, and tell what changed."""
    input:
        result("correct/changes.tsv"),


rule take_corrections:
    """Check corrected crops, keep every version, and prepare them for training."""
    input:
        corrected_files,
    output:
        changes=report(
            "<results>/correct/changes.tsv",
            caption="../report/changes.rst",
            category="Segmentation",
            labels={"table": "what was corrected"},
        ),
        sheet="<results>/correct/samples.tsv",
        frames="<results>/correct/prepared/corrected/frames.tif",
        truth="<results>/correct/prepared/corrected/truth.tif",
        samples="<results>/correct/prepared/corrected/samples.tsv",
        prepared="<results>/correct/prepared.tsv",
    log:
        "<results>/logs/correct.log",
    benchmark:
        "<results>/benchmarks/correct.tsv"
    container:
        IMAGES["image"]
    resources:
        **MEDIUM,
    params:
        place=str(SUGGESTIONS),
        given=lambda wildcards: corrections(),
        held_out=held_out_crops,
        settings={
            "images": config["images"],
            "preprocess": PREPROCESS,
            "accept_empty": "empty_mask" in config["check"]["ignore"],
        },
    message:
        "Take back corrected crops"
    script:
        "../scripts/correct.py"
