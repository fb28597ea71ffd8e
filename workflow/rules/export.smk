# The trained networks for other tools, on request only.


rule export:
    """Export all trained networks, as ONNX and as packages of bioimage.io."""
    input:
        every_model("model.onnx"),
        every_model("bioimageio.zip"),


rule export_onnx:
    """Export one trained network to ONNX."""
    input:
        model="<model>/model.keras",
    output:
        "<model>/model.onnx",
    log:
        "<model>/export.log",
    benchmark:
        "<model>/export.benchmark.tsv"
    container:
        IMAGES["train"]
    resources:
        **LARGE,
    message:
        "Export {wildcards.network}: {wildcards.scheme} fold {wildcards.fold}, seed {wildcards.seed}"
    script:
        "../scripts/export_onnx.py"


rule export_bioimageio:
    """Pack one trained network for programs that take models of bioimage.io."""
    input:
        model="<model>/model.keras",
        onnx="<model>/model.onnx",
        recipe="<model>/recipe.json",
        calibration="<model>/calibration.json",
        card="<network>/card.md",
        prepared="<results>/prepared.tsv",
        samples="<results>/samples.tsv",
        folds="<results>/folds.tsv",
    output:
        "<model>/bioimageio.zip",
    log:
        "<model>/bioimageio.log",
    benchmark:
        "<model>/bioimageio.benchmark.tsv"
    container:
        IMAGES["train"]
    resources:
        **LARGE,
    message:
        "Pack {wildcards.network} for others: {wildcards.scheme} fold {wildcards.fold}, seed {wildcards.seed}"
    script:
        "../scripts/export_bioimageio.py"
