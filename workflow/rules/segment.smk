# The trained networks at work: recordings without masks, segmented chunk by chunk.

# What made_of.json records of the config, so that chunks of another one are known.
SEGMENTATION = {
    "images": config["images"],
    "preprocess": PREPROCESS,
    "prediction": config["prediction"],
    "border": config["segment"]["border"],
}


rule segment:
    """Segment all recordings without masks."""
    input:
        segmented_recordings,


rule segment_chunk:
    """Segment some frames of a recording."""
    input:
        images=lambda wildcards: sheets.with_channels(
            [
                row["image"]
                for row in chunks.rows_of(
                    RECORDINGS[wildcards.recording], wildcards.chunk
                )
                + first_rows(wildcards.recording)
            ],
            config["images"]["channel_endings"],
        ),
        references=list(REFERENCES.values()),
        models=members("model.keras"),
        recipes=members("recipe.json"),
        calibrations=members("calibration.json"),
    output:
        **probability_if_wanted("<segmented>/chunks/{chunk}/probability.tif"),
        labels="<segmented>/chunks/{chunk}/labels.tif",
        doubt="<segmented>/chunks/{chunk}/doubt.tif",
        cells="<segmented>/chunks/{chunk}/cells.tsv",
        made_of="<segmented>/chunks/{chunk}/made_of.json",
        frames="<segmented>/chunks/{chunk}/frames.tsv",
    log:
        "<results>/logs/segment/{recording}/{chunk}.log",
    benchmark:
        "<results>/benchmarks/segment/{recording}/{chunk}.tsv"
    container:
        IMAGES["train"]
    threads: 4
    resources:
        **LONG,
    params:
        rows=lambda wildcards: chunks.rows_of(
            RECORDINGS[wildcards.recording], wildcards.chunk
        ),
        first_rows=lambda wildcards: first_rows(wildcards.recording),
        network=lookup(dpath="segment/network", within=config),
        settings=SEGMENTATION | config["compute"],
    message:
        "Segment the frames {wildcards.chunk} of the recording {wildcards.recording}"
    script:
        "../scripts/segment_chunk.py"


rule join_chunks:
    """Join the chunks of a recording."""
    input:
        **{
            name: chunk_files(path)
            for name, path in probability_if_wanted("probability.tif").items()
        },
        frames=chunk_files("frames.tsv"),
        labels=chunk_files("labels.tif"),
        cells=chunk_files("cells.tsv"),
        made_of=chunk_files("made_of.json"),
        models=members("model.keras"),
        recipes=members("recipe.json"),
        calibrations=members("calibration.json"),
    output:
        **probability_if_wanted("<segmented>/probability.ome.tif"),
        labels="<segmented>/labels.ome.tif",
        cells=report(
            "<segmented>/cells.tsv",
            caption="../report/cells.rst",
            category="Segmentation",
            labels={"recording": "{recording}"},
        ),
        frames="<segmented>/frames.tsv",
        made_of="<segmented>/made_of.json",
    log:
        "<results>/logs/segment/{recording}/join.log",
    benchmark:
        "<results>/benchmarks/segment/{recording}/join.tsv"
    container:
        IMAGES["image"]
    resources:
        **LARGE,
    params:
        rows=lambda wildcards: RECORDINGS[wildcards.recording],
        network=lookup(dpath="segment/network", within=config),
        settings=SEGMENTATION,
    message:
        "Join the chunks of the recording {wildcards.recording}"
    script:
        "../scripts/join_chunks.py"
