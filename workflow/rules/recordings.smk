# What is made of segmented recordings: outlines, tracks, a judgement of every frame without truth, a page to look at.


rule outline_cells:
    """Outline the cells of a recording, as ImageJ ROIs and GeoJSON."""
    input:
        labels="<segmented>/labels.ome.tif",
        cells="<segmented>/cells.tsv",
        frames="<segmented>/frames.tsv",
    output:
        rois="<segmented>/rois.zip",
        geojson="<segmented>/cells.geojson",
    log:
        "<results>/logs/segment/{recording}/outline.log",
    benchmark:
        "<results>/benchmarks/segment/{recording}/outline.tsv"
    container:
        IMAGES["image"]
    resources:
        **LARGE,
    message:
        "Outline the cells of the recording {wildcards.recording}"
    script:
        "../scripts/outline_cells.py"


rule track_cells:
    """Follow the cells of a recording."""
    input:
        labels="<segmented>/labels.ome.tif",
        cells="<segmented>/cells.tsv",
        quality="<segmented>/quality.tsv",
    output:
        tracks=report(
            "<segmented>/tracks.tsv",
            caption="../report/tracks.rst",
            category="Segmentation",
            labels={"recording": "{recording}", "table": "tracks"},
        ),
        ctc=directory("<segmented>/ctc"),
    log:
        "<results>/logs/segment/{recording}/track.log",
    benchmark:
        "<results>/benchmarks/segment/{recording}/track.tsv"
    container:
        IMAGES["image"]
    resources:
        **LARGE,
    params:
        options={
            name: config["segment"]["tracks"][name]
            for name in ("distance", "gap", "divisions")
        },
    message:
        "Follow the cells of the recording {wildcards.recording}"
    script:
        "../scripts/track_cells.py"


rule score_tracks:
    """Score the tracks of a recording against the true ones."""
    input:
        truth=files_of_truth,
        labels="<segmented>/labels.ome.tif",
        tracks="<segmented>/tracks.tsv",
        quality="<segmented>/quality.tsv",
    output:
        report(
            "<segmented>/tracking.tsv",
            caption="../report/tracking.rst",
            category="Segmentation",
            labels={"recording": "{recording}", "table": "scores of tracks"},
        ),
    log:
        "<results>/logs/segment/{recording}/score_tracks.log",
    benchmark:
        "<results>/benchmarks/segment/{recording}/score_tracks.tsv"
    container:
        IMAGES["image"]
    resources:
        **LARGE,
    params:
        truth=lambda wildcards: TRUE_TRACKS[wildcards.recording],
    message:
        "Score the tracks of the recording {wildcards.recording}"
    script:
        "../scripts/score_tracks.py"


rule judge_frames:
    """Judge the frames of a recording without truth."""
    input:
        labels="<segmented>/labels.ome.tif",
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
        IMAGES["image"]
    resources:
        **MEDIUM,
    params:
        ordered=lambda wildcards: wildcards.recording in time_lapses(),
    message:
        "Judge the frames of the recording {wildcards.recording}"
    script:
        "../scripts/judge_frames.py"


rule preview_recording:
    """Write a page to look at a recording."""
    input:
        references=list(REFERENCES.values()),
        labels="<segmented>/labels.ome.tif",  # made again where an image changes
        cells="<segmented>/cells.tsv",
        frames="<segmented>/frames.tsv",
        quality="<segmented>/quality.tsv",
        made_of="<segmented>/made_of.json",
        expected=expected_scores(),
        tracks=lambda wildcards: (
            "<segmented>/tracks.tsv" if wildcards.recording in followed() else []
        ),
        tracking=lambda wildcards: (
            "<segmented>/tracking.tsv" if wildcards.recording in scored() else []
        ),
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
        IMAGES["image"]
    resources:
        **MEDIUM,
    params:
        rows=lambda wildcards: RECORDINGS[wildcards.recording],
        images=lookup(dpath="images", within=config),
        pages=pages("preview", "page"),
        preprocess=PREPROCESS,
    message:
        "Write a page to look at the recording {wildcards.recording}"
    script:
        "../scripts/preview_recording.py"


rule measure_film:
    """Measure what a recording shows over time."""
    input:
        frames="<segmented>/frames.tsv",
        cells="<segmented>/cells.tsv",
        quality="<segmented>/quality.tsv",
        tracks=lambda wildcards: (
            "<segmented>/tracks.tsv" if wildcards.recording in followed() else []
        ),
    output:
        **lineages_if_followed("<segmented>/lineages.tsv"),
        course="<segmented>/course.tsv",
        measures="<segmented>/measures.tsv",
    log:
        "<results>/logs/segment/{recording}/film.log",
    benchmark:
        "<results>/benchmarks/segment/{recording}/film.tsv"
    container:
        IMAGES["image"]
    resources:
        **MEDIUM,
    params:
        facts=lambda wildcards: CIRCUMSTANCES[wildcards.recording],
        confidence=lookup(dpath="comparison/confidence", within=config),
    message:
        "Measure what the recording {wildcards.recording} shows over time"
    script:
        "../scripts/measure_film.py"


rule compare_films:
    """Compare all recordings over time, and their conditions."""
    input:
        measures=lambda wildcards: of_each("measures.tsv", time_lapses()),
        courses=lambda wildcards: of_each("course.tsv", time_lapses()),
        lineages=lambda wildcards: of_each("lineages.tsv", followed()),
    output:
        recordings="<results>/films/recordings.tsv",
        conditions="<results>/films/conditions.tsv",
        differences="<results>/films/differences.tsv",
        page=report(
            "<results>/films/films.html",
            caption="../report/films.rst",
            category="Segmentation",
            labels={"table": "films side by side"},
        ),
    log:
        "<results>/logs/segment/films.log",
    benchmark:
        "<results>/benchmarks/segment/films.tsv"
    container:
        IMAGES["report"]
    resources:
        **MEDIUM,
    params:
        dataset=DATASET,
        confidence=lookup(dpath="comparison/confidence", within=config),
        pages=pages("films", "page"),
    message:
        "Compare all recordings over time"
    script:
        "../scripts/compare_films.py"


if wanted("trackmate", "geff"):

    rule export_tracks:
        """Write the tracks of a recording for other programs."""
        input:
            frames="<segmented>/frames.tsv",
            cells="<segmented>/cells.tsv",
            quality="<segmented>/quality.tsv",
            tracks="<segmented>/tracks.tsv",
        output:
            **{
                name: path if path.endswith(".xml") else directory(path)
                for name in wanted("trackmate", "geff")
                for path in [f"<segmented>/{EXPORTS[name]}"]
            },
        log:
            "<results>/logs/segment/{recording}/export_tracks.log",
        benchmark:
            "<results>/benchmarks/segment/{recording}/export_tracks.tsv"
        container:
            IMAGES["image"]
        resources:
            **LARGE,
        params:
            interval_min=lambda wildcards: CIRCUMSTANCES[wildcards.recording][
                "interval_min"
            ],
            labels=(f"../{EXPORTS['ome-zarr']}" if wanted("ome-zarr") else None),
        message:
            "Write the tracks of the recording {wildcards.recording} for other programs"
        script:
            "../scripts/export_tracks.py"


if wanted("ome-zarr"):

    rule export_labels:
        """Write the labels of a recording as OME-Zarr."""
        input:
            labels="<segmented>/labels.ome.tif",
            frames="<segmented>/frames.tsv",
            cells="<segmented>/cells.tsv",
            tracks=lambda wildcards: (
                "<segmented>/tracks.tsv" if wildcards.recording in followed() else []
            ),
        output:
            directory(f"<segmented>/{EXPORTS['ome-zarr']}"),
        log:
            "<results>/logs/segment/{recording}/export_labels.log",
        benchmark:
            "<results>/benchmarks/segment/{recording}/export_labels.tsv"
        container:
            IMAGES["image"]
        resources:
            **LARGE,
        params:
            interval_min=lambda wildcards: CIRCUMSTANCES[wildcards.recording][
                "interval_min"
            ],
        message:
            "Write the labels of the recording {wildcards.recording} as OME-Zarr"
        script:
            "../scripts/export_labels.py"
