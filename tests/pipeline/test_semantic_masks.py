"""Masks that do not tell cells apart, and a single network: pixel scores only, and the report still builds."""

import pytest
import tifffile
from project import Project

from brightcell import files
from brightcell.io import stacks

pytestmark = pytest.mark.pipeline


def test_binary_masks_and_one_network_pass_through(tmp_path):
    project = Project(tmp_path / "project")
    for path in (project.folder / "data/masks").iterdir():
        tifffile.imwrite(path, ((tifffile.imread(path) > 0) * 255).astype("uint8"))
    project.write_config(networks=["residual_attention"])
    run = project.snakemake()
    assert run.returncode == 0, run.stdout[-5000:]

    folder = project.path("models/grouped/residual_attention/fold1-seed1")
    recipe = files.read_json(folder / "recipe.json")
    assert recipe["target"] == "foreground"
    assert set(recipe["training_data"]) == {"intensity_mean", "intensity_sd", "contrast", "sharpness"}
    assert "do not tell touching cells apart" in (folder / "train.log").read_text()
    assert files.read_json(folder / "calibration.json")["score"] == "cell_iou"
    assert all(page.ndim == 2 for page in stacks.read_stack(folder / "predictions/test.tif").values())
    scores = files.read_table(project.path("scores.tsv"))
    assert scores["cell_iou"].notna().all()
    assert scores["ap50"].isna().all()
    assert len(files.read_table(project.path("comparison/differences.tsv"))) == 0
    assert "<html" in project.path("report.html").read_text()

    project.write_config(networks=["residual_attention"], network={"target": "foreground+distance"})
    run = project.snakemake()
    assert run.returncode != 0
    assert "Number the cells in these masks, or take foreground or auto" in run.stdout
