# Use trained networks: segment recordings that have no masks, chunk by chunk.

# What made_of.json tells of the config, so that chunks of another one are known.
SEGMENTATION = {
    "images": config["images"],
    "preprocess": preprocessing(),
    "prediction": config["prediction"],
    "border": config["segment"]["border"],
}


rule segment:
    input:
        segmented,


rule segment_chunk:
    input:
        images=lambda wildcards: unique(
            row["image"] for row in [*chunk_rows(wildcards), *first_rows(wildcards)]
        ),
        references=reference_frames(),
        models=members("model.keras"),
        recipes=members("recipe.json"),
        calibrations=members("calibration.json"),
    output:
        **probability_too(
            "<results>/segmented/{recording}/chunks/{chunk}/probability.tif"
        ),
        labels="<results>/segmented/{recording}/chunks/{chunk}/labels.tif",
        cells="<results>/segmented/{recording}/chunks/{chunk}/cells.tsv",
        made_of="<results>/segmented/{recording}/chunks/{chunk}/made_of.json",
        frames="<results>/segmented/{recording}/chunks/{chunk}/frames.tsv",
    log:
        "<results>/logs/segment/{recording}/{chunk}.log",
    benchmark:
        "<results>/benchmarks/segment/{recording}/{chunk}.tsv"
    container:
        image("train")
    threads: 4
    resources:
        mem_mb=megabytes(8000),
        runtime=minutes(240),
    params:
        rows=chunk_rows,
        first_rows=first_rows,
        network=lookup(dpath="segment/network", within=config),
        settings=SEGMENTATION | config["compute"],
        code=code("segment_chunk.py"),
    message:
        "Segment the frames {wildcards.chunk} of the recording {wildcards.recording}"
    script:
        "../scripts/segment_chunk.py"


rule join_chunks:
    input:
        **{
            name: chunk_files(path)
            for name, path in probability_too("probability.tif").items()
        },
        frames=chunk_files("frames.tsv"),
        labels=chunk_files("labels.tif"),
        cells=chunk_files("cells.tsv"),
        made_of=chunk_files("made_of.json"),
        models=members("model.keras"),
        recipes=members("recipe.json"),
        calibrations=members("calibration.json"),
    output:
        **probability_too("<results>/segmented/{recording}/probability.ome.tif"),
        labels="<results>/segmented/{recording}/labels.ome.tif",
        cells=report(
            "<results>/segmented/{recording}/cells.tsv",
            caption="../report/cells.rst",
            category="Segmentation",
            labels={"recording": "{recording}"},
        ),
        frames="<results>/segmented/{recording}/frames.tsv",
        made_of="<results>/segmented/{recording}/made_of.json",
    log:
        "<results>/logs/segment/{recording}/join.log",
    benchmark:
        "<results>/benchmarks/segment/{recording}/join.tsv"
    container:
        image("image")
    threads: 1
    resources:
        mem_mb=megabytes(2000),
        runtime=minutes(120),
    params:
        rows=lambda wildcards: RECORDINGS[wildcards.recording],
        network=lookup(dpath="segment/network", within=config),
        settings=SEGMENTATION,
        code=code("join_chunks.py"),
    message:
        "Join the chunks of the recording {wildcards.recording}"
    script:
        "../scripts/join_chunks.py"


rule outline_cells:
    input:
        labels="<results>/segmented/{recording}/labels.ome.tif",
        cells="<results>/segmented/{recording}/cells.tsv",
        frames="<results>/segmented/{recording}/frames.tsv",
    output:
        rois="<results>/segmented/{recording}/rois.zip",
        geojson="<results>/segmented/{recording}/cells.geojson",
    log:
        "<results>/logs/segment/{recording}/outline.log",
    benchmark:
        "<results>/benchmarks/segment/{recording}/outline.tsv"
    container:
        image("image")
    threads: 1
    resources:
        mem_mb=megabytes(2000),
        runtime=minutes(120),
    params:
        code=code("outline_cells.py"),
    message:
        "Outline the cells of the recording {wildcards.recording}"
    script:
        "../scripts/outline_cells.py"
