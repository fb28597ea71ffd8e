"""Corrected crops taken back, in every form in which they come, and what is wrong with bad ones."""

import json
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tifffile
from defaults import defaults

import correct
from brightcell import files
from brightcell.annotation import changes, drawing, folder, held_out
from brightcell.errors import InputError
from brightcell.io import rois, stacks
from brightcell.sheets import samples

SIDE = 40
CELLS = {1: (4, 4), 2: (4, 24), 3: (24, 4), 4: (24, 24)}  # squares of 8 px, by their corners


def squares(**moved):
    """Four predicted cells; `moved` gives some another corner, or None for none."""
    labels = np.zeros((SIDE, SIDE), np.uint8)
    for cell, corner in (CELLS | {int(name[1:]): corner for name, corner in moved.items()}).items():
        if corner:
            labels[corner[0] : corner[0] + 8, corner[1] : corner[1] + 8] = cell
    return labels


class Study:
    """A folder of suggestions with crops of one frame each, and one with corrections."""

    def __init__(self, place: Path, crops=("a_y0_x0", "b_y0_x8")):
        self.place, self.images, self.steps = place, defaults("images"), defaults("preprocess")
        self.settings = {"closed": {}, "annotated": [], "accept_empty": False}
        (place / "corrected").mkdir()
        for number, name in enumerate(crops):
            image = np.random.default_rng(number).integers(0, 255, (SIDE, SIDE, 1)).astype(np.uint8)
            about = {
                "recording": "dish",
                "sample": name.split("_")[0],
                "frame": number,
                "image": f"{name[0]}.tif",
            }
            about |= {"page": "", "scene": "", "top_px": 0, "left_px": 0, "height": SIDE, "width": SIDE}
            about |= {"pixel_size_um": 0.5, "cell_diameter_px": 9.0}
            drawing.write_crop(place / "suggest", name, image, squares(), about)

    def path(self, name: str) -> Path:
        return self.place / "corrected" / name

    def save(self, name: str, labels: np.ndarray) -> None:
        tifffile.imwrite(self.path(name), labels)

    def run(self, **images) -> pd.DataFrame:
        known = folder.known(self.place / "suggest")
        given = folder.find(self.place / "corrected", known)
        names = {"changes": "changes.tsv", "sheet": "samples.tsv", "prepared": "prepared.tsv"}
        names |= {name: f"prepared/corrected/{name}.tif" for name in ("frames", "truth")}
        names["samples"] = "prepared/corrected/samples.tsv"
        out = {name: self.place / "correct" / path for name, path in names.items()}
        settings = self.settings | {"images": self.images | images, "preprocess": self.steps}
        correct.main(self.place / "suggest", given, out, settings)
        return files.read_table(out["changes"])


@pytest.fixture
def study(tmp_path):
    return Study(tmp_path)


def as_tiff(path, labels):
    tifffile.imwrite(path.with_suffix(".tif"), labels)


def as_rois(path, labels):
    with zipfile.ZipFile(path.with_suffix(".zip"), "w") as archive:
        for outline in rois.outlines(labels.astype(np.int32)):
            archive.writestr(f"{outline.cell}.roi", rois.imagej_roi(outline, str(outline.cell), 0).tobytes())


def as_geojson(path, labels):
    features = [
        rois.geojson_feature(outline, "dish", "a", 0, (1, 0), {}, "annotation")
        for outline in rois.outlines(labels.astype(np.int32))
    ]
    path.with_suffix(".geojson").write_text(json.dumps({"type": "FeatureCollection", "features": features}))


def as_cellpose(path, labels):
    content = {
        "masks": labels.astype(np.uint16),
        "outlines": labels > 0,
        "filename": "a.tif",
        "flows": [[labels], None],
    }
    np.save(path.with_name(f"{path.name}_seg.npy"), content)


@pytest.mark.parametrize("save", [as_tiff, as_rois, as_geojson, as_cellpose])
def test_every_form_comes_back_as_it_was_drawn(study, save):
    drawn = squares(c2=None, c3=(26, 4))
    save(study.path("a_y0_x0"), drawn)
    (row,) = study.run().to_dict("records")
    assert (row["crop"], row["recording"], row["cells_before"], row["cells_after"]) == (
        "a_y0_x0",
        "dish",
        4,
        3,
    )
    assert (row["removed"], row["outlined_anew"], row["unchanged"], row["added"]) == (1, 1, 2, 0)
    truth = stacks.read_stack(study.place / "correct/prepared/corrected/truth.tif")["a_y0_x0"]
    assert np.array_equal(truth > 0, drawn > 0)
    assert len(np.unique(truth)) == 4
    assert stacks.listed_groups(study.place / "correct/prepared.tsv", "frames")[0].is_file()


@pytest.mark.parametrize(
    ("drawn", "kind", "ap50"),
    [
        (squares(c4=None), "removed", 3 / 4),
        (np.where(squares() == 3, 1, squares(c3=None, c1=None)), "removed", 3 / 4),
    ],
)
def test_what_was_removed_costs_the_prediction(drawn, kind, ap50):
    found = changes.changes(squares(), drawn)
    assert found[kind] == 1
    assert found["ap50"] == pytest.approx(ap50)


def test_changes_are_told_apart():
    before, after = squares(), squares()
    after[4:8, 4:12] = 11  # the first cell is split
    before[24:28, 24:32] = 12  # the fourth had been predicted as two
    after[4:12, 24:32] = 0
    after[4:12, 30:38] = 2  # the second drawn elsewhere: removed, and added
    assert changes.changes(before, after) == {
        **{"cells_before": 5, "cells_after": 5, "split": 1, "merged": 1, "added": 1, "removed": 1},
        **{"outlined_anew": 0, "unchanged": 1, "ap50": pytest.approx(3 / 7)},
    }


def test_what_was_not_looked_at_does_not_count():
    after = squares(c4=None).astype(int)
    after[20:] = -1
    found = changes.changes(squares(), after)
    assert (found["cells_before"], found["cells_after"], found["unchanged"], found["ap50"]) == (2, 2, 2, 1)


def test_every_version_is_kept_and_the_persons_file_is_left_alone(study):
    study.save("a_y0_x0.tif", squares(c1=None))
    first = study.path("a_y0_x0.tif").read_bytes()
    assert study.run()["file"][0] == "a_y0_x0.v1.tif"
    assert study.run()["file"][0] == "a_y0_x0.v1.tif"  # the same file is no new version
    study.path("a_y0_x0.tif").unlink()
    as_cellpose(study.path("a_y0_x0"), squares(c2=None))
    assert study.run()["file"][0] == "a_y0_x0.v2_seg.npy"
    study.path("a_y0_x0_seg.npy").unlink()
    study.path("a_y0_x0.tif").write_bytes(first)
    assert study.run()["file"][0] == "a_y0_x0.v3.tif"
    kept = sorted(path.name for path in (study.place / "correct/versions").iterdir())
    assert kept == ["a_y0_x0.v1.tif", "a_y0_x0.v2_seg.npy", "a_y0_x0.v3.tif"]
    assert (study.place / "correct/versions/a_y0_x0.v1.tif").read_bytes() == first
    assert study.path("a_y0_x0.tif").read_bytes() == first


def test_the_sheet_names_the_newest_versions_and_some_crops_validate(tmp_path):
    names = [f"{letter}_y0_x0" for letter in "abcde"]
    study = Study(tmp_path, names)
    for name in names:
        study.save(f"{name}-labels.tif", squares())
    study.run()
    sheet = samples.read_samples(tmp_path / "correct/samples.tsv", check_files=True)
    assert list(sheet["sample"]) == names
    assert set(sheet["group"]) == {"dish"}
    assert Path(sheet["mask"][0]).name == "a_y0_x0.v1-labels.tif"
    prepared = files.read_table(tmp_path / "correct/prepared/corrected/samples.tsv")
    assert list(prepared["split"]) == ["train"] * 3 + ["validate", "train"]
    assert set(prepared["mask_type"]) == {"instances"}


def test_crops_are_brought_to_the_working_pixel_size(study):
    study.save("a_y0_x0.tif", squares())
    study.run(working_pixel_size_um=1.0)
    frames = stacks.read_stack(study.place / "correct/prepared/corrected/frames.tif")
    assert frames["a_y0_x0"].shape == (SIDE // 2, SIDE // 2)


def test_one_cell_is_a_cell_with_a_number(study):
    study.save("a_y0_x0.tif", squares(c1=None, c2=None, c3=None))
    assert study.run()["cells_after"][0] == 1


# -- what cannot be taken --


def refused(study, match):
    """Run, expect a message, and nothing written."""
    with pytest.raises(InputError, match=match):
        study.run()
    assert not (study.place / "correct").exists()


def test_another_size_is_refused(study):
    study.save("a_y0_x0.tif", squares()[:-1])
    refused(study, r"mask .*a_y0_x0.tif is 39 × 40 px, its image .*images/a_y0_x0.tif is 40 × 40 px")


def test_a_stack_is_refused(study):
    tifffile.imwrite(study.path("a_y0_x0.tif"), np.stack([squares()] * 3), photometric="minisblack")
    refused(study, "a stack of 3 pages")


def test_rois_of_other_pages_are_refused(study):
    as_rois(study.path("a_y0_x0"), squares())
    with zipfile.ZipFile(study.path("a_y0_x0.zip"), "a") as archive:
        outline = next(rois.outlines(squares().astype(np.int32)))
        archive.writestr("late.roi", rois.imagej_roi(outline, "late", 6).tobytes())
    refused(study, r"a_y0_x0.zip: has outlines at 2 times up to number 7; .* is a single frame")


@pytest.mark.parametrize(
    ("dtype", "scale", "match"),
    [
        (np.float32, 0.3, "a mask with fractions or NaN. Expected whole numbers"),
        (np.int16, -1, "mask values from -4 to 0. Expected 0 for background and numbers from 1"),
    ],
)
def test_another_bit_depth_that_loses_the_numbers_is_refused(study, dtype, scale, match):
    study.save("a_y0_x0.tif", (squares() * float(scale)).astype(dtype))
    refused(study, match)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.uint32, np.float32])
def test_every_bit_depth_that_holds_the_numbers_is_taken(study, dtype):
    study.save("a_y0_x0.tif", squares().astype(dtype))
    assert study.run()["unchanged"][0] == 4


def test_a_binary_mask_is_refused(study):
    study.save("a_y0_x0.tif", np.uint8(255) * (squares() > 0))
    refused(
        study,
        "all 4 cells have the number 255, so that cells that touch cannot be told apart. Expected a number",
    )


def test_a_number_in_two_places_is_refused_with_its_places(study):
    drawn = squares()
    drawn[drawn == 4] = 2
    study.save("a_y0_x0.tif", drawn)
    refused(
        study,
        "the number 2 stands in 2 places, from row 4, column 24 and row 24, column 24 on. Expected a number of",
    )
    assert study.run(mask_type="pieces")["unchanged"][0] == 4


def test_an_empty_correction_is_refused_unless_it_is_meant(study):
    study.save("a_y0_x0.tif", np.zeros((SIDE, SIDE), np.uint8))
    refused(study, "a_y0_x0.tif: no cell in it; 4 cells were predicted. .*check: {ignore: ")
    study.settings["accept_empty"] = True
    assert study.run()["removed"][0] == 4


def test_two_corrections_of_one_crop_are_refused(study):
    study.save("a_y0_x0.tif", squares())
    as_cellpose(study.path("a_y0_x0"), squares())
    refused(study, "a_y0_x0.tif, .*a_y0_x0_seg.npy: 2 corrections of one crop. Expected one")


def test_the_picture_in_place_of_its_cells_is_refused(study):
    study.path("a_y0_x0.tif").write_bytes((study.place / "suggest/images/a_y0_x0.tif").read_bytes())
    refused(study, "a_y0_x0.tif: the picture of the crop. Expected its cells")


def test_a_folder_is_refused(study):
    study.path("a_y0_x0").mkdir()
    refused(study, "a_y0_x0: a folder. Expected a file: save all ROIs as one .zip")


def test_a_file_of_no_crop_is_refused(study):
    study.save("a_y0_x1.tif", squares())
    refused(study, r"1 file belongs to no crop, such as a_y0_x1.tif; did you mean a_y0_x0\? Expected names")
    study.path("a_y0_x1.tif").unlink()
    study.path("notes.txt").write_text("what I saw")
    study.save("a_y0_x0.tif", squares())
    assert len(study.run()) == 1


def test_a_frame_that_tests_networks_is_refused(study):
    study.save("a_y0_x0.tif", squares())
    study.save("b_y0_x8.tif", squares())
    crops = {"dish": list(folder.known(study.place / "suggest").values())}
    sheet = pd.DataFrame([{"image": "a.tif", "group": "g1", "page": "", "scene": "", "split": "test"}])
    study.settings["closed"] = held_out.closed(crops, sheet, ["sheet"])
    refused(
        study,
        r"(?s)2 problems.*a_y0_x0: its recording dish is or shares frames with the group g1 .*\(leakage\)",
    )
    study.settings |= {"closed": {}, "annotated": held_out.annotated(crops, sheet)}
    refused(study, r"a_y0_x0: its frame a.tif has a mask in the sample sheet. Expected one truth for a frame")


def test_all_problems_are_told_at_once(study):
    study.save("a_y0_x0.tif", squares()[:-1])
    study.save("b_y0_x8.tif", np.zeros((SIDE, SIDE), np.uint8))
    refused(study, r"(?s)2 problems with corrected crops\n  .*39 × 40 px.*\n  .*no cell in it")
