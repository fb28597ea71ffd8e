# The trained networks for other tools, on request only.


rule export:
    """Export all trained networks to ONNX."""
    input:
        every_model("model.onnx"),


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
