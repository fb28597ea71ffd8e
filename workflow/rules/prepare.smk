# From images and masks to stacks of frames and truth, a pair a group.

# Files with the outlines of several groups, and the databases into which they are read once.
DATABASES = {
    path: result(f"annotations/{name}.sqlite") for path, name in ANNOTATIONS.items()
}


rule prepare:
    """Read the images and masks of all groups into stacks."""
    input:
        [result("samples.tsv"), result("prepared.tsv")] if SHEET else [],


rule index_annotations:
    """Read a file with the outlines of many groups once, into a database that fetches those of one image."""
    input:
        lambda wildcards: next(
            path for path, name in ANNOTATIONS.items() if name == wildcards.annotations
        ),
    output:
        temp("<results>/annotations/{annotations}.sqlite"),
    log:
        "<results>/logs/index_annotations/{annotations}.log",
    benchmark:
        "<results>/benchmarks/index_annotations/{annotations}.tsv"
    container:
        IMAGES["image"]
    resources:
        **MEDIUM,
    message:
        "Read {input}"
    script:
        "../scripts/index_annotations.py"


rule prepare_group:
    """Read the images and masks of one group into stacks."""
    input:
        images=lambda wildcards: sheets.files_of_group(
            samples,
            wildcards.group,
            "image",
            config["images"]["channel_endings"],
        ),
        masks=lambda wildcards: sheets.files_of_group(samples, wildcards.group, "mask"),
        references=list(REFERENCES.values()),
        databases=lambda wildcards: [
            DATABASES[path]
            for path in sheets.files_of_group(samples, wildcards.group, "mask")
            if path in DATABASES
        ],
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
        rows=lambda wildcards: sheets.rows_of_group(samples, wildcards.group, DATABASES),
        images=lookup(dpath="images", within=config),
        preprocess=PREPROCESS,
    message:
        "Read images and masks of the group {wildcards.group}"
    script:
        "../scripts/prepare.py"


# Jobs that read stacks depend on the list alone: a study has hundreds of jobs, and may have hundreds of groups.
rule gather_samples:
    """Join the groups' tables of samples, and list the digests of their stacks."""
    input:
        tables=every_group("samples.tsv"),
        frames=every_group("frames.tif"),
        truth=every_group("truth.tif"),
    output:
        samples="<results>/samples.tsv",
        prepared="<results>/prepared.tsv",
    log:
        "<results>/logs/gather_samples.log",
    benchmark:
        "<results>/benchmarks/gather_samples.tsv"
    container:
        IMAGES["image"]
    resources:
        **SMALL,
    message:
        "List the prepared groups"
    script:
        "../scripts/gather.py"
