"""Bring a trained network from elsewhere into the form that `segment` and `training.init_weights` take.

    python workflow/scripts/import_model.py study.hdf5 models/study --pixel-size-um 0.65

It takes legacy Keras HDF5 files of the study's networks (whole models or weights alone) and .keras files of their layers, and
writes model.keras, recipe.json and calibration.json into the folder. Nothing in the file is run. The watershed's settings are
not calibrated: give those that suit your cells, in pixels of that size.
"""

import argparse
import os
import sys
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
sys.path.insert(0, str(Path(__file__).parent))

from brightcell import files, trained
from brightcell.errors import InputError


def main(arguments: list[str] | None = None) -> None:
    """Write the folder; InputError if the file is no such network, or the folder has one."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("file", type=Path, help="the trained network")
    parser.add_argument("folder", type=Path, help="where to write; its name becomes that of the data set")
    parser.add_argument(
        "--pixel-size-um", type=float, help="of the images that it was trained on, as it saw them"
    )
    parser.add_argument(
        "--percentiles",
        type=float,
        nargs=2,
        default=(0.0, 100.0),
        help="grey values that it saw as 0 and 1 (default: 0 100)",
    )
    parser.add_argument(
        "--threshold", type=float, default=0.5, help="probability from which a pixel is cell (default: 0.5)"
    )
    parser.add_argument(
        "--smoothing-px", type=float, default=1.0, help="of the watershed's height map (default: 1)"
    )
    parser.add_argument(
        "--depth", type=float, default=0.1, help="least rise of a cell's middle (default: 0.1)"
    )
    parser.add_argument("--minimum-area-px", type=int, default=20, help="of a cell (default: 20)")
    options = parser.parse_args(arguments)
    if (options.folder / "model.keras").exists():
        raise InputError(
            f"{options.folder}: has a model.keras already. Give another folder, or remove this one."
        )

    from brightcell.nets import load_model
    from brightcell.nets.legacy import architecture_of

    model = load_model(options.file)
    recipe = {
        "dataset": options.folder.resolve().name,
        "network": architecture_of(model),
        "channels": model.input_shape[-1],
        "outputs": model.output_shape[-1],
        "levels": 1 + sum(layer.__class__.__name__ == "MaxPooling2D" for layer in model.layers),
        "percentiles": list(options.percentiles),
        "working_pixel_size_um": options.pixel_size_um,
        "parameters": model.count_params(),
        "imported_from": options.file.name,
    }
    calibration = {
        "parameters": {
            name: getattr(options, name) for name in ("threshold", "smoothing_px", "depth", "minimum_area_px")
        },
        "score": "cell_iou",
        "value": 0.0,
    }
    trained.check(recipe, trained.RECIPE, f"{options.folder}/recipe.json", ())
    trained.check(calibration["parameters"], trained.WATERSHED, "the watershed's options", ())
    options.folder.mkdir(parents=True, exist_ok=True)
    with files.whole(options.folder / "model.keras") as temporary:
        model.save(temporary)
    files.write_json(recipe, options.folder / "recipe.json")
    files.write_json(calibration, options.folder / "calibration.json")
    print(
        f"{options.folder}: {recipe['network']} U-Net, {recipe['parameters']:,} parameters, {recipe['levels']} levels, "
        f"{recipe['channels']} channels in, {recipe['outputs']} out. Segment with `segment: {{models: {options.folder}}}`."
    )


if __name__ == "__main__":
    try:
        main()
    except InputError as error:
        sys.exit(str(error))
