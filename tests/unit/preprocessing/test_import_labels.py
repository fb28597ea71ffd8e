"""Labels that were made elsewhere: cropped and rescaled as the masks are, and refused where they cannot be labels."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import tifffile
from defaults import defaults

import import_labels
from brightcell import files
from brightcell.errors import InputError
from brightcell.io import stacks

RUN = {"dataset": "d", "scheme": "grouped", "network": "gui", "fold": 1, "seed": 1}


@pytest.fixture
def study(tmp_path):
    """Two frames of 40 × 60 px, of which fold 1 tests the second; a rectangle of label 255 in each."""
    labels = np.zeros((40, 60), np.uint16)
    labels[10:20, 20:50] = 255
    rows = []
    for sample in "ab":
        paths = {kind: str(tmp_path / f"{kind}_{sample}.tif") for kind in ("image", "mask")}
        tifffile.imwrite(paths["image"], np.arange(2400, dtype=np.uint16).reshape(40, 60))
        tifffile.imwrite(paths["mask"], labels)
        more = dict.fromkeys(("frame", "split", "page", "scene", "pixel_size_um", "cell_diameter_px"), "")
        rows.append({"sample": sample, "group": sample, **more, **paths, "turn": (0, 1), "database": ""})
    table = pd.DataFrame({"sample": list("ab"), "group": list("ab")})
    files.write_table(table, tmp_path / "samples.tsv")
    files.write_table(table.assign(scheme="grouped", fold=1, role=["train", "test"]), tmp_path / "folds.tsv")
    return SimpleNamespace(
        rows=rows,
        mask=tmp_path / "mask_b.tif",
        inputs=SimpleNamespace(samples=tmp_path / "samples.tsv", folds=tmp_path / "folds.tsv"),
        outputs=SimpleNamespace(labels=tmp_path / "labels.tif", recipe=tmp_path / "recipe.json"),
    )


def take(study, images=None, steps=None):
    """Run the script; give the stack."""
    images, steps = defaults("images", **(images or {})), defaults("preprocess", **(steps or {}))
    entry = {"labels": "mask_{sample}.tif", "held_out": True}
    import_labels.main(study.rows, images, steps, study.inputs, study.outputs, entry, RUN)
    return stacks.read_stack(study.outputs.labels)


def test_the_tested_frames_alone_are_taken(study):
    found = take(study)
    assert list(found) == ["b"]
    np.testing.assert_array_equal(found["b"], tifffile.imread(study.mask))
    recipe = files.read_json(study.outputs.recipe)
    assert (recipe["labels"], recipe["held_out"], recipe["tool"]) == ("mask_{sample}.tif", True, None)


def test_they_are_cropped_and_rescaled_as_masks_are(study):
    found = take(study, {"pixel_size_um": 0.5, "working_pixel_size_um": 1.0}, {"crop": [10, 20, 20, 40]})["b"]
    assert found.shape == (10, 20)
    np.testing.assert_array_equal(found[:5, :15], 255)
    assert not found[5:].any()


def test_the_number_of_pixels_that_do_not_count_is_a_cell_in_labels(study):
    assert take(study, {"ignore_value": 255})["b"].max() == 255


@pytest.mark.parametrize(
    ("labels", "told"),
    [
        (np.zeros((40, 50), np.uint16), "is 40 × 50 px, its image"),
        (np.full((40, 60), -1, np.int16), "values from -1 to -1. Expected 0 for background"),
        (np.linspace(0, 3, 2400, dtype=np.float32).reshape(40, 60), "fractions or NaN. Expected whole numbers"),
        (None, "no such file"),
    ],
)  # fmt: skip
def test_what_are_no_labels(study, labels, told):
    study.mask.unlink()
    if labels is not None:
        tifffile.imwrite(study.mask, labels)
    with pytest.raises(InputError) as error:
        take(study)
    assert told in str(error.value)
    assert str(study.mask) in str(error.value)
    assert "gui, the labels of 1 frame" in str(error.value)
    assert not study.outputs.labels.exists()
