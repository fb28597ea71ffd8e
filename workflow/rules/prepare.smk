# From images and masks to stacks of frames and truth, a pair a group.


rule prepare:
    """Read the images and masks of all groups into stacks."""
    input:
        every_group("frames.tif"),
        result("samples.tsv") if SHEET else [],


rule prepare_group:
    """Read the images and masks of one group into stacks."""
    input:
        images=lambda wildcards: sheets.files_of_group(
            samples, wildcards.group, "image"
        ),
        masks=lambda wildcards: sheets.files_of_group(samples, wildcards.group, "mask"),
        references=list(REFERENCES.values()),
    output:
        frames="<results>/prepared/{group}/frames.tif",
        truth="<results>/prepared/{group}/truth.tif",
        samples="<results>/prepared/{group}/samples.tsv",
    log:
        "<results>/logs/prepare/{group}.log",
    benchmark:
        "<results>/benchmarks/prepare/{group}.tsv"
    container:
        IMAGES["image"]
    resources:
        **MEDIUM,
    params:
        rows=lambda wildcards: samples[samples["group"] == wildcards.group].to_dict(
            "records"
        ),
        images=lookup(dpath="images", within=config),
        preprocess=PREPROCESS,
    message:
        "Read images and masks of the group {wildcards.group}"
    script:
        "../scripts/prepare.py"


rule gather_samples:
    """Join the groups' tables of samples."""
    input:
        every_group("samples.tsv"),
    output:
        "<results>/samples.tsv",
    log:
        "<results>/logs/gather_samples.log",
    benchmark:
        "<results>/benchmarks/gather_samples.tsv"
    container:
        IMAGES["image"]
    resources:
        **SMALL,
    script:
        "../scripts/gather.py"
