"""Export a trained network to ONNX, for tools of others."""

from brightcell import files
from brightcell.compute import backend
from brightcell.jobs import job


def main(model, output, log):
    """Write the network as `output`; float32 (n, height, width, channels) to (n, height, width, outputs)."""
    backend.start(1, "cpu", "float32")
    from brightcell.inference import engines

    with files.whole(output) as temporary:
        engines.export_onnx(model, temporary)
    log.info(
        "%s: give it frames normalised as recipe.json tells (percentiles), sides as its levels ask for",
        output,
    )


if __name__ == "__main__":
    with job(snakemake.log[0]) as log:
        main(snakemake.input.model, snakemake.output[0], log)
