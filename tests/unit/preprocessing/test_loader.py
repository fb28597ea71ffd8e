"""From rows of a sheet to prepared stacks: pages, pixel sizes, mask types, raw data; every file is read once."""

import json
import logging

import numpy as np
import pytest
import tifffile
from defaults import defaults
from pictures import save

import prepare
from brightcell.errors import InputError
from brightcell.files import read_table
from brightcell.io import masks, readers, stacks
from brightcell.preprocessing import loader

OPTIONS = defaults("images")


@pytest.fixture(autouse=True)
def _messages(caplog):
    caplog.set_level(logging.INFO, "brightcell")


def texture(seed=0, shape=(40, 50)):
    return np.random.default_rng(seed).integers(0, 4000, shape).astype(np.uint16)


def cells(*numbers):
    """Squares of 6 × 6 px with these numbers."""
    labels = np.zeros((40, 50), np.uint16)
    for place, number in enumerate(numbers):
        labels[4:10, 4 + 9 * place : 10 + 9 * place] = number
    return labels


def row(sample, image, mask, **columns):
    empty = {"frame": "", "split": "", "pixel_size_um": "", "page": "", "scene": ""}
    return {"sample": sample, "image": str(image), "mask": str(mask), "group": "g", **empty, **columns}


def rows_of(tmp_path, frames, suffix=".tif"):
    """Rows of single files for (image, mask) pairs."""
    return [
        row(f"s{n}", save(tmp_path / f"{n}.tif", image), save(tmp_path / f"{n}_mask{suffix}", mask))
        for n, (image, mask) in enumerate(frames)
    ]


def prepared(tmp_path, rows, steps=None, **options):
    """Run the rule's function: frames, labels and the table."""
    out = tmp_path / "out"
    out.mkdir(exist_ok=True)
    paths = [out / "frames.tif", out / "truth.tif", out / "samples.tsv"]
    prepare.main(rows, OPTIONS | options, *paths, defaults("preprocess", **steps or {}))
    return stacks.read_stack(paths[0]), stacks.read_stack(paths[1]), read_table(paths[2]).set_index("sample")


def test_the_pages_of_a_time_lapse_are_rows(tmp_path):
    stack = texture(shape=(5, 40, 50))
    truth = np.stack([cells(page + 1, page + 9) for page in range(5)])
    image = save(tmp_path / "a.tif", stack, imagej=True, metadata={"axes": "TYX"})
    mask = save(tmp_path / "a_mask.tif", truth, photometric="minisblack", compression="zlib")
    rows = [row(f"s{page}", image, mask, page=str(page)) for page in (3, 0, 4)]
    frames, labels, table = prepared(tmp_path, rows)
    assert list(frames) == ["s3", "s0", "s4"]
    for page in (3, 0, 4):
        np.testing.assert_array_equal(frames[f"s{page}"], stack[page])
        np.testing.assert_array_equal(labels[f"s{page}"], truth[page])
    assert table["frame"].tolist() == [3, 0, 4]


def test_every_file_is_opened_once(tmp_path, monkeypatch):
    stack = texture(shape=(6, 40, 50))
    image = save(tmp_path / "a.tif", stack, photometric="minisblack")
    mask = save(tmp_path / "a_mask.tif", np.stack([cells(255)] * 6), photometric="minisblack")
    rows = [row(f"s{page}", image, mask, page=str(page)) for page in range(6)]
    rows += rows_of(tmp_path, [(texture(n), cells(255, 255)) for n in range(10, 14)])
    for n, each in enumerate(rows):
        each["sample"] = f"s{n}"
    opened, plain = [], readers.open_image_file
    monkeypatch.setattr(
        loader.readers,
        "open_image_file",
        lambda path, *a, **k: opened.append(str(path)) or plain(path, *a, **k),
    )
    _, labels, table = prepared(tmp_path, rows)
    assert len(opened) == len(set(opened)) == 2 + 8
    assert set(table["mask_type"]) == {"binary"}
    assert [label.max() for label in labels.values()] == [1] * 6 + [2] * 4


def test_masks_that_looked_binary_are_numbered_again(tmp_path, caplog):
    frames = [
        (texture(), cells(7, 7)),
        (texture(), cells()),
        (texture(), cells(1, 2, 3)),
        (texture(), cells(9)),
    ]
    _, labels, table = prepared(tmp_path, rows_of(tmp_path, frames))
    assert set(table["mask_type"]) == {"instances"}
    for (_, mask), found in zip(frames, labels.values(), strict=True):
        np.testing.assert_array_equal(found, mask)
    assert table["cells"].tolist() == [1, 0, 3, 1]
    assert "3 masks: binary by numbers" in caplog.text
    assert "1 masks: instances by numbers" in caplog.text


def test_a_jpeg_cannot_number_cells(tmp_path):
    rows = rows_of(tmp_path, [(texture(), cells(1, 2, 3))])
    jpeg = save(tmp_path / "b.jpg", (cells(1) * 255).astype(np.uint8))
    rows.append(row("b", rows[0]["image"], jpeg))
    with pytest.raises(InputError, match="sample b: a JPEG as mask, which cannot number cells"):
        prepared(tmp_path, rows)
    assert list((tmp_path / "out").iterdir()) == []


def test_rois_as_masks(tmp_path):
    square = [[5, 5], [15, 5], [15, 15], [5, 15], [5, 5]]
    feature = {"type": "Feature", "geometry": {"type": "Polygon", "coordinates": [square]}}
    (tmp_path / "a.geojson").write_text(json.dumps([feature]))
    rows = [row("a", save(tmp_path / "a.tif", texture()), tmp_path / "a.geojson")]
    _, labels, table = prepared(tmp_path, rows)
    assert (labels["a"] > 0).sum() == 100
    assert table.loc["a", "mask_type"] == "instances"


def test_outlines_are_drawn_on_the_raw_frame_and_halved_with_it(tmp_path):
    square = [[10, 10], [30, 10], [30, 26], [10, 26], [10, 10]]
    feature = {"type": "Feature", "geometry": {"type": "Polygon", "coordinates": [square]}}
    (tmp_path / "a.geojson").write_text(json.dumps([feature]))
    rows = [row("a", save(tmp_path / "a.tif", texture()), tmp_path / "a.geojson", pixel_size_um="0.2")]
    frames, labels, table = prepared(tmp_path, rows, {"bayer": "RGGB", "crop": [2, 3, 15, 20]})
    assert frames["a"].shape == (15, 20, 3)
    expected = np.zeros((15, 20), np.int32)
    expected[3:11, 2:12] = 1
    np.testing.assert_array_equal(labels["a"], expected)
    assert table.loc["a", ["height", "width", "channels", "pixel_size_um"]].tolist() == [15, 20, 3, 0.4]


@pytest.mark.parametrize(
    ("sheet", "config", "counts", "message"),
    [
        (
            "0.3",
            0.4,
            0.3,
            "the OME metadata says 0.65 µm a pixel; the sheet or the config says 0.3 µm, which counts",
        ),
        ("", 0.4, 0.4, "the OME metadata says 0.65 µm a pixel; the sheet or the config says 0.4 µm"),
        ("", 0.651, 0.651, None),
        ("", None, 0.65, "pixel size 0.65 µm, from the OME metadata"),
    ],
)
def test_whose_pixel_size_counts(tmp_path, caplog, sheet, config, counts, message):
    metadata = {"PhysicalSizeX": 0.65, "PhysicalSizeY": 0.65}
    image = save(tmp_path / "a.tif", texture(), ome=True, metadata=metadata)
    rows = [row("a", image, save(tmp_path / "m.tif", cells(1, 2)), pixel_size_um=sheet)]
    _, _, table = prepared(tmp_path, rows, pixel_size_um=config)
    assert table.loc["a", "pixel_size_um"] == pytest.approx(counts)
    said = [record.message for record in caplog.records if "µm" in record.message]
    assert len(said) == (message is not None)
    assert message is None or message in said[0]


def test_the_pixel_size_of_the_file_brings_frames_to_the_working_size(tmp_path):
    image = save(tmp_path / "a.tif", texture(), imagej=True, resolution=(2, 2), metadata={"unit": "um"})
    rows = [row("a", image, save(tmp_path / "m.tif", cells(300, 2)))]
    frames, labels, table = prepared(tmp_path, rows, working_pixel_size_um=1.0)
    assert frames["a"].shape == labels["a"].shape == (20, 25)
    assert set(np.unique(labels["a"])) == {0, 2, 300}
    assert table.loc["a", "pixel_size_um"] == 1


def test_a_flat_field_of_another_size_names_the_sample(tmp_path):
    flat = save(tmp_path / "flat.tif", texture(shape=(9, 9)))
    rows = rows_of(tmp_path, [(texture(), cells(1, 2))])
    with pytest.raises(
        InputError,
        match=r"sample s0: .*0\.tif: preprocess\.flat: a picture of 9 × 9 × 1; the frame is 40 × 50",
    ):
        prepared(tmp_path, rows, {"flat": str(flat)})


def test_grey_values_of_a_group(tmp_path):
    frames = [(np.full((40, 50), value, np.uint16), cells(1, 2)) for value in (100, 200, 300)]
    steps = {"bit_depth": "group", "bit_depth_percentiles": [0, 100]}
    found, _, _ = prepared(tmp_path, rows_of(tmp_path, frames), steps)
    assert [frame.max() for frame in found.values()] == [0, 128, 255]
    assert {frame.dtype for frame in found.values()} == {np.dtype(np.uint8)}


def test_training_and_new_recordings_see_the_same_frames(tmp_path):
    steps = {
        "bayer": "GBRG",
        "denoise": "mean",
        "background": "gaussian",
        "background_px": 20,
        "crop": [1, 2, 15, 20],
    }
    rows = rows_of(tmp_path, [(texture(n), cells(1, 2)) for n in range(2)])
    frames, _, _ = prepared(tmp_path, rows, steps)
    recording = loader.FrameLoader(rows, OPTIONS, defaults("preprocess", **steps))
    for each in rows:
        np.testing.assert_array_equal(recording.frame(each).image.astype(np.float32), frames[each["sample"]])


def test_a_mask_of_another_size_is_refused_with_both_sizes(tmp_path):
    rows = rows_of(tmp_path, [(texture(shape=(40, 51)), cells(1, 2))])
    with pytest.raises(InputError, match=r"is 40 × 50 px, its image .* is 40 × 51 px"):
        prepared(tmp_path, rows)


def test_all_problems_are_told_together_and_nothing_is_written(tmp_path):
    rows = rows_of(tmp_path, [(texture(n), cells(1, 2)) for n in range(3)])
    (tmp_path / "0.tif").write_bytes(b"")
    (tmp_path / "1_mask.tif").write_bytes(b"II*\0")
    rows[2]["page"] = "4"
    with pytest.raises(InputError, match="3 problems with its files") as raised:
        prepared(tmp_path, rows)
    for part in ("sample s0: ", "0.tif: damaged", "1_mask.tif: damaged", "asks for page 4; the file has 1"):
        assert part in str(raised.value)
    assert list((tmp_path / "out").iterdir()) == []


def test_problems_of_many_files_are_counted(tmp_path):
    rows = [row(f"s{n}", tmp_path / f"{n}.tif", tmp_path / "m.tif") for n in range(1200)]
    with pytest.raises(InputError, match=r"(?s)1,200 problems.*sample s9.*… and 1,190 more$"):
        prepared(tmp_path, rows)


def test_components_are_numbered_in_rows():
    assert masks.components(cells(3, 3) > 0)[5, [5, 15]].tolist() == [1, 2]


def test_a_frame_in_both_formats_is_the_same(tmp_path):
    image = texture()
    tifffile.imwrite(tmp_path / "a.tif", image, byteorder=">", compression="lzw")
    (frame, size, raw, _) = loader.FrameLoader([], OPTIONS, defaults("preprocess")).frame(
        row("a", tmp_path / "a.tif", "")
    )
    np.testing.assert_array_equal(frame[..., 0], image)
    assert np.isnan(size)
    assert raw.shape == (40, 50, 1)


def test_what_does_not_count_passes_through(tmp_path):
    mask = cells(1, 2)
    mask[30:] = 255
    rows = rows_of(tmp_path, [(texture(), mask)])
    _, truth, table = prepared(tmp_path, rows, ignore_value=255, pixel_size_um=0.5, working_pixel_size_um=1.0)
    assert np.unique(truth["s0"]).tolist() == [-1, 0, 1, 2]
    assert (truth["s0"][15:] == -1).all()
    assert table[["cells", "ignored"]].to_numpy().tolist() == [[2, 0.25]]


def test_a_mask_with_depth_does_not_fit_several_slices(tmp_path):
    stack = np.stack([texture(n) for n in range(3)])
    numbers = np.stack([cells(1, 2, 3)] * 3)
    for name, array in (("a", stack), ("m", numbers)):
        tifffile.imwrite(tmp_path / f"{name}.ome.tif", array, ome=True, metadata={"axes": "ZYX"})
    rows = [row("s", tmp_path / "a.ome.tif", tmp_path / "m.ome.tif")]
    frames, labels, _ = prepared(tmp_path, rows, plane=1)
    np.testing.assert_array_equal(frames["s"], stack[1])
    assert labels["s"].max() == 3
    with pytest.raises(
        InputError, match=r"m\.ome\.tif: a mask with 3 slices of depth, and images.plane is focus"
    ):
        prepared(tmp_path, rows, plane="focus")


def test_panels_of_image_and_mask(tmp_path):
    wide, drawn = (
        np.hstack([texture(n) for n in range(5)]),
        np.hstack([cells(1), cells(0, 1), cells(0, 0, 1)]),
    )
    rows = rows_of(tmp_path, [(wide, drawn)])
    with pytest.raises(InputError, match=r"images: \{panels: 5\}"):
        prepared(tmp_path, rows)
    frames, labels, table = prepared(tmp_path, rows, panels=5, plane=[1, 3])
    np.testing.assert_array_equal(frames["s0"], np.stack([texture(1), texture(3)], axis=-1))
    np.testing.assert_array_equal(labels["s0"], cells(1, 2, 3))
    assert (table.at["s0", "cells"], table.at["s0", "mask_type"]) == (3, "instances")


def test_numbers_that_are_used_again(tmp_path):
    again = cells(1, 2, 1, 2)
    frames = [(texture(n), again) for n in range(2)]
    _, labels, table = prepared(tmp_path, rows_of(tmp_path, frames), mask_type="pieces")
    assert labels["s1"].max() == 4
    assert (table["cells"] == 4).all()
    assert set(table["mask_type"]) == {"instances"}


def test_pages_through_time_and_depth_are_told(tmp_path, caplog):
    stack = np.stack([[texture(3 * time + depth) for depth in range(3)] for time in range(2)])
    tifffile.imwrite(tmp_path / "a.ome.tif", stack, ome=True, metadata={"axes": "TZYX"})
    rows = [
        row(f"s{n}", tmp_path / "a.ome.tif", save(tmp_path / "m.tif", cells(1, 2, 3)), page=str(n))
        for n in (0, 3)
    ]
    frames, *_ = prepared(tmp_path, rows)
    np.testing.assert_array_equal(frames["s3"], stack[1, 0])
    assert "pages count 2 × T of 3 × Z: slices of depth are frames of their own" in caplog.text
    caplog.clear()
    prepared(tmp_path, [each | {"page": str(n)} for n, each in enumerate(rows)], plane=1)
    assert "pages count" not in caplog.text
