# Which cells to draw next: crops of segmented recordings, with the predicted cells to correct.


rule suggest:
    """Choose crops of segmented recordings to draw next."""
    input:
        result("suggest/suggest.html"),


rule suggest_crops:
    """Choose crops of segmented recordings, and write what a person needs to draw them."""
    input:
        labels=of_open_recordings("labels.ome.tif"),
        cells=of_open_recordings("cells.tsv"),
        frames=of_open_recordings("frames.tsv"),
        quality=of_open_recordings("quality.tsv"),
        doubt=lambda wildcards: [
            result(f"segmented/{recording}/chunks/{chunk}/doubt.tif")
            for recording in open_recordings()
            for chunk in chunks_of(recording)
        ],
        recipes=members("recipe.json"),
        references=list(REFERENCES.values()),
    output:
        crops="<results>/suggest/crops.tsv",
        sheet="<results>/suggest/samples.tsv",
        page=report(
            "<results>/suggest/suggest.html",
            caption="../report/suggest.rst",
            category="Segmentation",
            labels={"page": "crops to draw next"},
        ),
    log:
        "<results>/logs/suggest.log",
    benchmark:
        "<results>/benchmarks/suggest.tsv"
    container:
        IMAGES["image"]
    resources:
        **LARGE,
    params:
        rows=lambda wildcards: {name: RECORDINGS[name] for name in open_recordings()},
        settings=lambda wildcards: {
            "suggest": config["suggest"],
            "images": config["images"],
            "preprocess": PREPROCESS,
            "annotated": held_out.annotated(RECORDINGS, samples),
            "drawn": list(corrections()),
        },
        pages=pages("suggest", "page"),
    message:
        "Choose crops to draw next"
    script:
        "../scripts/suggest.py"
