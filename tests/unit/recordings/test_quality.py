"""Frames judged without truth: known faults are flagged by their names, ordinary recordings are not."""

import json
import logging

import numpy as np
import pandas as pd
import pytest
from scipy import ndimage

import judge_frames
from brightcell import files
from brightcell.instances.regionprops import cell_table
from brightcell.io import stacks
from brightcell.preprocessing import statistics
from brightcell.recordings import quality
from brightcell.simulation import timelapse

PIXEL_UM = 1.0
FRAMES = 8


@pytest.fixture(scope="module")
def sequences():
    return [timelapse.simulate_sequence(1, number, FRAMES, 160) for number in (1, 2, 3)]


@pytest.fixture(scope="module")
def reference(sequences):
    """What the recipe of a network trained on all of them tells."""
    frames = [frame for sequence in sequences for frame in sequence.images]
    labels = [page for sequence in sequences for page in sequence.labels]
    return statistics.reference(frames, labels) | {"pixel_size_um": PIXEL_UM}


def tables(images, labels, disagreement=0.02):
    """The tables of frames and cells that the segmentation writes."""
    frames, cells = [], []
    for time, (image, page) in enumerate(zip(images, labels, strict=True)):
        own = cell_table(page, image, PIXEL_UM).assign(
            sample=f"t{time}", frame=time, disagreement=disagreement
        )
        cells.append(own)
        frames.append(
            {
                "sample": f"t{time}",
                "frame": time,
                "pixel_size_um": PIXEL_UM,
                "scale": 1.0,
                "cells": len(own),
                "cell_share": (page > 0).mean(),
                "median_area_px": own["area_px"].median() if len(own) else np.nan,
                **statistics.describe_frame(image),
                "confidence": 0.95,
                "disagreement": disagreement,
            }
        )
    return pd.DataFrame(frames), pd.concat(cells, ignore_index=True)


def flags_of(images, labels, reference, **changes):
    frames, cells = tables(images, labels)
    return quality.judge(frames, cells, reference, **changes)["flags"].tolist()


def only(flags, place):
    """The flags of one frame, where no other has any."""
    assert [at for at, text in enumerate(flags) if text] == [place]
    return flags[place]


def test_ordinary_recordings_have_no_flags(sequences, reference):
    for sequence in sequences:
        assert flags_of(sequence.images, sequence.labels, reference) == [""] * FRAMES
        assert flags_of(sequence.images, sequence.labels, reference, ordered=False) == [""] * FRAMES


def test_a_frame_of_another_contrast_is_flagged(sequences, reference):
    images = sequences[0].images.astype(float)
    images[3] = 0.15 * (images[3] - images[3].mean()) + images[3].mean()
    text = only(flags_of(images, sequences[0].labels, reference), 3)
    assert text.startswith("contrast 0.")
    assert "in the training" in text


def test_an_inverted_frame_is_flagged(sequences, reference):
    images = sequences[1].images.copy()
    images[5] = 255 - images[5]
    assert "brightness" in only(flags_of(images, sequences[1].labels, reference), 5)


def test_a_blurred_frame_is_flagged(sequences, reference):
    images = sequences[0].images.astype(float)
    images[2] = ndimage.gaussian_filter(images[2], (2, 2, 0))
    assert "sharpness" in only(flags_of(images, sequences[0].labels, reference), 2)


def test_a_constant_frame_is_named_and_no_more_is_said_of_it(sequences, reference):
    images, labels = sequences[0].images.copy(), sequences[0].labels.copy()
    images[4], labels[4] = 100, 0
    text = only(flags_of(images, labels, reference), 4)
    assert text.startswith("a constant picture: every pixel is 100")
    assert "in the training" not in text


def test_a_jump_in_the_number_of_cells_is_flagged(sequences, reference):
    sequence = sequences[2]
    labels = sequence.labels.copy()
    ids = np.unique(labels[4])[1:]
    labels[4][np.isin(labels[4], ids[: round(0.95 * len(ids))])] = 0
    frames, cells = tables(sequence.images, labels)
    judged = quality.judge(frames, cells, reference)
    expected = frames["cells"].drop(4).iloc[1:7].median()
    assert judged.at[4, "cells_expected"] == expected
    assert f"{len(ids) - round(0.95 * len(ids))} cells where its neighbours have" in judged.at[4, "flags"]
    alone = quality.judge(frames, cells, reference, ordered=False)
    assert alone["cells_expected"].isna().all()
    assert not alone["flags"].str.contains(" cells where").any()


def test_growing_counts_are_no_jump():
    """Cells that double over 40 frames, with the scatter of counting."""
    counts = pd.Series(np.random.default_rng(1).poisson(100 * 2 ** (np.arange(40) / 40)))
    assert not quality.outliers(counts, quality.expect(counts, 3), np.zeros(40)).any()
    counts[20] += 80
    assert np.nonzero(quality.outliers(counts, quality.expect(counts, 3), np.zeros(40)))[0].tolist() == [20]
    assert not quality.outliers(counts, quality.expect(counts, 3), np.full(40, 20)).any()


def test_networks_that_disagree_are_flagged(sequences, reference):
    frames, cells = tables(sequences[0].images, sequences[0].labels)
    own = cells["sample"] == "t6"
    cells.loc[own, "disagreement"] = np.where(np.arange(own.sum()) < 0.4 * own.sum(), 0.3, 0.05)
    judged = quality.judge(frames, cells, reference)
    number = int(np.ceil(0.4 * own.sum()))
    assert judged["doubtful_cells"].tolist() == [0] * 6 + [number, 0]
    assert only(judged["flags"].tolist(), 6) == f"the networks disagree on {number} of {own.sum()} cells"
    frames.loc[6, "disagreement"] = 0.3
    assert "disagreement of the networks 0.3" in quality.judge(frames, cells, reference).at[6, "flags"]


def test_a_single_network_does_not_disagree(sequences, reference):
    frames, cells = tables(sequences[0].images, sequences[0].labels, disagreement=np.nan)
    judged = quality.judge(frames, cells, reference)
    assert (judged["flags"] == "").all()
    assert judged["disagreement"].isna().all()


@pytest.mark.parametrize(("pixel_um", "flagged"), [(1.0, False), (0.25, True), (np.nan, False)])
def test_cells_of_another_size_are_flagged(sequences, reference, pixel_um, flagged):
    """The areas compare in µm² where both pixel sizes are known, else in pixels."""
    frames, cells = tables(sequences[0].images, sequences[0].labels)
    scale = pixel_um / PIXEL_UM if pixel_um == pixel_um else 1
    judged = quality.judge(frames.assign(pixel_size_um=pixel_um, scale=scale), cells, reference)
    assert judged["flags"].str.contains("median cell area").tolist() == [flagged] * FRAMES


def test_parts_of_cells_are_flagged(sequences, reference):
    """Every cell cut into quarters, once with its size known and once with pixels of unknown size, brought to it."""
    rows, columns = np.mgrid[: sequences[0].labels.shape[1], : sequences[0].labels.shape[2]]
    cut = [
        page * 4 * (page > 0) + (page > 0) * (rows // 4 % 2 + 2 * (columns // 4 % 2))
        for page in sequences[0].labels
    ]
    assert all(
        "smaller than a quarter of the training" in text
        for text in flags_of(sequences[0].images, cut, reference)
    )
    frames, cells = tables(sequences[0].images, sequences[0].labels)
    unknown = frames.assign(
        pixel_size_um=np.nan, scale=2.0
    )  # half the size in pixels: brought to the training's
    small = cells.assign(area_px=cells["area_px"] / 4)
    shrunk = unknown.assign(median_area_px=frames["median_area_px"] / 4)
    assert (quality.judge(shrunk, small, reference)["flags"] == "").all()
    assert (
        quality.judge(shrunk.assign(scale=1.0), small, reference)["flags"].str.contains("smaller than").all()
    )


def test_flags_that_all_frames_share_are_said_once():
    flags = [
        "brightness 1.2, in the training 3 to 4; no cell",
        "brightness 1.3e-05, in the training 3 to 4",
        "brightness -7, in the training 3 to 4",
    ]
    common, rest = quality.shared_flags(flags)
    assert common == ["brightness 1.2, in the training 3 to 4"]
    assert rest == ["no cell", "", ""]
    assert quality.shared_flags(["dark"]) == ([], ["dark"])
    assert quality.shared_flags([]) == ([], [])
    assert quality.shared_flags(["dark", ""]) == ([], ["dark", ""])


def steady(count):
    """A table of frames that differ by chance alone, by 1 %."""
    rng = np.random.default_rng(0)
    return pd.DataFrame({name: 100 * rng.normal(1, 0.01, count) for name in ("intensity_mean", "sharpness")})


@pytest.mark.parametrize(
    ("name", "factor", "words"),
    [("intensity_mean", 1.5, "gain, exposure or lamp"), ("sharpness", 0.5, "focus changed")],
)
def test_a_change_that_lasts_is_flagged_once_where_it_begins(name, factor, words):
    frames = steady(20)
    frames.loc[8:, name] *= factor
    changed = quality.lasting_changes(frames)
    assert [at for at, flags in enumerate(changed) if flags] == [8]
    assert words in changed[8][0]
    frames = steady(20)
    frames.loc[8, name] *= factor  # one frame alone: `unlike_others` flags it
    assert not any(quality.lasting_changes(frames))
    assert not any(quality.lasting_changes(steady(4)))


def test_a_jump_of_the_stage_is_flagged(sequences, reference):
    frames, cells = tables(sequences[0].images, sequences[0].labels)
    shifts = pd.DataFrame(0.0, range(FRAMES), quality.SHIFTS)
    shifts.loc[3] = [0, -40]
    judged = quality.judge(frames, cells, reference, shifts=shifts)
    assert [at for at, flags in enumerate(judged["flags"]) if flags] == [3]
    assert "all cells moved together by 0 rows and -40 columns" in judged.at[3, "flags"]
    assert judged["shift_column_px"].tolist()[3] == -40
    assert quality.judge(frames, cells, reference)["shift_row_px"].isna().all()


def test_short_recordings_and_empty_ones_go_through(sequences, reference):
    for number in (1, 2):
        labels = np.zeros_like(sequences[0].labels[:number])
        assert flags_of(sequences[0].images[:number], labels, None) == ["no cell"] * number
        assert flags_of(sequences[0].images[:number], labels + 1, None)[0] == "100% of the picture is cell"


# --- the script ---------------------------------------------------------------------------------


def judged(folder, sequence, recipes):
    """What the script writes for a recording that networks of these recipes segmented."""
    for name, table in zip(("frames", "cells"), tables(sequence.images, sequence.labels), strict=True):
        files.write_table(table.assign(image="a.tif") if name == "frames" else table, folder / f"{name}.tsv")
    models = []
    for number, recipe in enumerate(recipes):
        (folder / f"m{number}").mkdir(exist_ok=True)
        files.write_json(recipe, folder / f"m{number}/recipe.json")
        models.append(folder / f"m{number}/model.keras")
    files.write_json({"models": {str(path): "" for path in models}}, folder / "made_of.json")
    stacks.write_stack(
        folder / "labels.tif", ((f"t{time}", page) for time, page in enumerate(sequence.labels))
    )
    inputs = [folder / name for name in ("labels.tif", "frames.tsv", "cells.tsv", "made_of.json")]
    judge_frames.main(*inputs, True, folder / "quality.tsv")
    return files.read_table(folder / "quality.tsv")


def test_the_range_is_that_of_all_members(sequences, reference, tmp_path):
    data = {name: reference[name] for name in reference if name != "pixel_size_um"}
    narrow = data | {"intensity_mean": [1.0, 1.1, 1.2]}
    recipes = [{"training_data": each, "working_pixel_size_um": PIXEL_UM} for each in (narrow, data)]
    assert quality.training_data(recipes)["intensity_mean"][0] == 1.0
    assert quality.training_data(recipes)["intensity_mean"][2] == data["intensity_mean"][2]
    table = judged(tmp_path, sequences[0], recipes)
    assert (table["flags"] == "").all()
    assert list(table)[:4] == ["sample", "frame", "cells", "cells_expected"]
    assert judged(tmp_path, sequences[0], recipes[:1])["flags"].str.contains("brightness").all()


def test_models_of_an_earlier_version_are_told(sequences, tmp_path, caplog):
    with caplog.at_level(logging.WARNING):
        table = judged(tmp_path, sequences[0], [{"working_pixel_size_um": None}])
    assert "does not say how the training data looked" in caplog.text
    assert (table["flags"] == "").all()


def test_the_reference_fits_into_a_recipe(reference):
    assert json.loads(json.dumps(reference)) == reference
    assert "cell_area_px" in reference
    assert set(reference) >= set(statistics.describe_frame(np.ones((9, 9))))
    assert statistics.reference([np.zeros((4, 4, 1))])["contrast"] == [0, 0, 0]
    assert "cell_area_px" not in statistics.reference([np.ones((4, 4, 1))], [np.zeros((4, 4), int)])
