"""Pack a trained network as a model of bioimage.io, with a test frame and what it predicts of it."""

from pathlib import Path

import numpy as np

from brightcell import files, trained
from brightcell.compute import backend
from brightcell.io import stacks
from brightcell.jobs import job
from brightcell.sheets.roles import rows_in_role


def main(inputs, frames: list, output, log) -> None:
    """Read what `inputs` names: model, onnx, recipe, calibration, card, samples, folds; write the package.

    frames : stacks of the groups. The first test frame is the test.
    """
    recipe = trained.read_recipe(inputs.recipe)
    from brightcell.inference import bioimageio
    from brightcell.inference.engines import onnx_operators
    from brightcell.nets import load_model
    from brightcell.nets.receptive_field import receptive_radius
    from brightcell.preprocessing.normalisation import normalise

    rows = rows_in_role(
        files.read_table(inputs.samples),
        files.read_table(inputs.folds),
        *(recipe["scheme"], recipe["fold"], "test"),
    )
    (_, frame), *_ = stacks.iterate_named(frames, rows[:1])
    network = load_model(inputs.model)
    part, halo = bioimageio.test_part(frame, recipe["levels"], receptive_radius(network))
    predicted = np.asarray(network(normalise(part[0], recipe["percentiles"])[None]))
    texts = {
        "README.md": Path(inputs.card).read_bytes(),
        "recipe.json": Path(inputs.recipe).read_bytes(),
        "calibration.json": Path(inputs.calibration).read_bytes(),
    }
    onnx = Path(inputs.onnx).read_bytes()
    bioimageio.write_package(
        Path(output), recipe, onnx, onnx_operators(inputs.onnx), halo, (part, predicted), texts
    )
    log.info("%s: before you publish it, add authors and licence to its rdf.yaml", output)


if __name__ == "__main__":
    with job(snakemake.log[0]) as log:
        backend.start(1, "cpu", "float32")
        main(
            snakemake.input,
            stacks.listed_groups(snakemake.input.prepared, "frames"),
            snakemake.output[0],
            log,
        )
