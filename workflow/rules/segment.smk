# Use the trained networks: segment recordings that have no masks.


rule segment:
    input:
        segmented,


rule segment_group:
    input:
        images=lambda wildcards: unique(
            row["image"] for row in recording_rows(wildcards)
        ),
        references=reference_frames(),
        models=members("model.keras"),
        recipes=members("recipe.json"),
        calibrations=members("calibration.json"),
    output:
        labels="<results>/segmented/{recording}/labels.tif",
        cells=report(
            "<results>/segmented/{recording}/cells.tsv",
            caption="../report/cells.rst",
            category="Segmentation",
            labels={"recording": "{recording}"},
        ),
    log:
        "<results>/logs/segment/{recording}.log",
    benchmark:
        "<results>/benchmarks/segment/{recording}.tsv"
    container:
        image("train")
    threads: 4
    resources:
        mem_mb=megabytes(8000),
        runtime=minutes(240),
    params:
        rows=recording_rows,
        network=lookup(dpath="segment/network", within=config),
        images=lookup(dpath="images", within=config),
        preprocess=preprocessing(),
        prediction=lookup(dpath="prediction", within=config),
        precision=lookup(dpath="training/precision", within=config),
        device=lookup(dpath="training/device", within=config),
        code=code("segment.py"),
    message:
        "Segment the recording {wildcards.recording}"
    script:
        "../scripts/segment.py"
