# What becomes of segmented recordings: cells followed over time, frames judged without truth, a page to look at.


rule track_cells:
    input:
        labels="<results>/segmented/{recording}/labels.ome.tif",
        cells="<results>/segmented/{recording}/cells.tsv",
        frames="<results>/segmented/{recording}/frames.tsv",
    output:
        tracks=report(
            "<results>/segmented/{recording}/tracks.tsv",
            caption="../report/tracks.rst",
            category="Segmentation",
            labels={"recording": "{recording}", "table": "tracks"},
        ),
        ctc=directory("<results>/segmented/{recording}/ctc"),
    log:
        "<results>/logs/segment/{recording}/track.log",
    benchmark:
        "<results>/benchmarks/segment/{recording}/track.tsv"
    container:
        image("image")
    threads: 1
    resources:
        mem_mb=megabytes(3000),
        runtime=minutes(120),
    params:
        options={
            name: config["segment"]["tracks"][name]
            for name in ("distance", "gap", "divisions")
        },
        code=code("track_cells.py"),
    message:
        "Follow the cells of the recording {wildcards.recording}"
    script:
        "../scripts/track_cells.py"


rule judge_frames:
    input:
        frames="<segmented>/frames.tsv",
        cells="<segmented>/cells.tsv",
        made_of="<segmented>/made_of.json",
        recipes=members("recipe.json"),
    output:
        report(
            "<segmented>/quality.tsv",
            caption="../report/quality.rst",
            category="Segmentation",
            labels={"recording": "{recording}", "table": "quality"},
        ),
    log:
        "<results>/logs/segment/{recording}/judge.log",
    benchmark:
        "<results>/benchmarks/segment/{recording}/judge.tsv"
    container:
        image("image")
    threads: 1
    resources:
        mem_mb=megabytes(1000),
        runtime=minutes(30),
    params:
        ordered=lambda wildcards: wildcards.recording in time_lapses(),
        code=code("judge_frames.py"),
    message:
        "Judge the frames of the recording {wildcards.recording}"
    script:
        "../scripts/judge_frames.py"


rule preview_recording:
    input:
        references=reference_frames(),
        labels="<segmented>/labels.ome.tif",  # made anew where an image changes
        cells="<segmented>/cells.tsv",
        quality="<segmented>/quality.tsv",
        made_of="<segmented>/made_of.json",
        tracks=tracks_where_followed,
        template=[
            workflow.source_path(f"../report/{name}")
            for name in (
                "preview/preview.html.j2",
                "preview/preview.css",
                "preview/preview.js",
                "page/page.css",
                "page/page.js",
            )
        ],
    output:
        report(
            "<segmented>/preview.html",
            caption="../report/preview.rst",
            category="Segmentation",
            labels={"recording": "{recording}", "table": "preview"},
        ),
    log:
        "<results>/logs/segment/{recording}/preview.log",
    benchmark:
        "<results>/benchmarks/segment/{recording}/preview.tsv"
    container:
        image("image")
    threads: 1
    resources:
        mem_mb=megabytes(2000),
        runtime=minutes(60),
    params:
        rows=lambda wildcards: RECORDINGS[wildcards.recording],
        images=lookup(dpath="images", within=config),
        preprocess=preprocessing(),
        code=code("preview_recording.py"),
    message:
        "Write a page to look at the recording {wildcards.recording}"
    script:
        "../scripts/preview_recording.py"
