# Corrected crops taken back: checked, every version kept, ready for training.


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
