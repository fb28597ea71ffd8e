import dataclasses
from pathlib import Path

import numpy as np
import pytest
import yaml
from scipy import ndimage
from skimage import filters, measure, morphology

import simulate
from brightcell.errors import InputError
from brightcell.files import read_table
from brightcell.io.masks import read_mask
from brightcell.io.readers import read_image
from brightcell.sheets.samples import read_samples
from brightcell.simulation.cells import divide, new_cell, outline, round_radius, roundness
from brightcell.simulation.files import check_simulated, simulated_files
from brightcell.simulation.optics import (
    MEDIUM_INDEX,
    WAVELENGTHS_UM,
    Conditions,
    colour_camera,
    defocused_intensity,
)
from brightcell.simulation.timelapse import (
    PIXEL_SIZE_UM,
    SAMPLING,
    SMALLEST_AREA_PX,
    draw_labels,
    number_as_seen,
    simulate_sequence,
)

ROOT = Path(__file__).parents[3]
FRAMES = 6


@pytest.fixture(scope="module")
def sequences():
    return [simulate_sequence(1, sequence, FRAMES, 256) for sequence in range(1, 7)]


def still_cell(position, radius=10.0):
    """A spread, perfectly round cell in the middle of its life."""
    cell = new_cell(1, np.array(position, float), np.random.default_rng(0))
    cell.arms[:, 1] = 0
    return dataclasses.replace(cell, radius=radius, ripples=0 * cell.ripples, born=-20, divides=20)


# --- the sequence as a whole -------------------------------------------------------------------


def test_shapes_and_types(sequences):
    for sequence in sequences:
        assert sequence.images.shape == (FRAMES, 256, 256, 3)
        assert sequence.images.dtype == np.uint8
        assert sequence.labels.shape == (FRAMES, 256, 256)
        assert sequence.labels.dtype == np.uint16


def test_the_same_seed_and_number_give_the_same_sequence_whatever_its_length():
    short, long = simulate_sequence(7, 3, 2, 96), simulate_sequence(7, 3, 3, 96)
    assert np.array_equal(short.images, long.images[:2])
    assert np.array_equal(short.labels, long.labels[:2])


@pytest.mark.parametrize(("seed", "sequence"), [(8, 3), (7, 4)])
def test_another_seed_or_number_gives_another_sequence(seed, sequence):
    one, other = simulate_sequence(7, 3, 1, 96), simulate_sequence(seed, sequence, 1, 96)
    assert not np.array_equal(one.labels, other.labels)
    assert (one.images != other.images).mean() > 0.5


@pytest.mark.parametrize(("frames", "size"), [(0, 256), (6, 63)])
def test_impossible_sizes_are_refused(frames, size):
    with pytest.raises(InputError, match="simulate"):
        simulate_sequence(1, 1, frames, size)


def test_sequences_differ_in_density_brightness_and_contrast(sequences):
    cells = [len(np.unique(sequence.labels[0])) - 1 for sequence in sequences]
    brightness = [sequence.images.mean() for sequence in sequences]
    assert max(cells) > 1.4 * min(cells)
    assert max(brightness) > 1.2 * min(brightness)


# --- labels ------------------------------------------------------------------------------------


def test_every_cell_is_connected_and_of_plausible_size(sequences):
    whole = []
    for labels in (frame for sequence in sequences for frame in sequence.labels):
        regions = measure.regionprops(labels.astype(int))
        assert 15 <= len(regions) <= 37
        for region in regions:
            assert measure.label(region.image, connectivity=1).max() == 1
            assert SMALLEST_AREA_PX <= region.area < np.pi * 25**2
        whole += [region.area for region in regions if min(region.bbox) > 0 and max(region.bbox) < 256]
    assert 28 <= 2 * np.sqrt(np.median(whole) / np.pi) <= 36


def test_about_a_third_of_the_cells_touch_another(sequences):
    shares = []
    for labels in (frame.astype(int) for sequence in sequences for frame in sequence.labels):
        others = np.where(labels > 0, labels, labels.max() + 1)
        border = (ndimage.maximum_filter(labels, 3) != labels) | (ndimage.minimum_filter(others, 3) != others)
        shares.append(len(np.unique(labels[border & (labels > 0)])) / (len(np.unique(labels)) - 1))
    assert 0.2 < np.mean(shares) < 0.5


def test_cells_keep_their_number_and_move(sequences):
    overlaps = []
    for sequence in sequences:
        for one, next_one in zip(sequence.labels, sequence.labels[1:], strict=False):
            for cell in np.intersect1d(one[one > 0], next_one):
                union = ((one == cell) | (next_one == cell)).sum()
                overlaps.append(((one == cell) & (next_one == cell)).sum() / union)
    assert 0.5 < np.median(overlaps) < 0.85
    assert np.mean(np.array(overlaps) > 0.2) > 0.98


def test_the_lineage_tells_what_the_labels_show(sequences):
    for sequence in sequences:
        assert set(sequence.lineage["cell"]) == set(np.unique(sequence.labels)) - {0}
        for row in sequence.lineage.itertuples():
            seen = [frame for frame in range(FRAMES) if (sequence.labels[frame] == row.cell).any()]
            assert seen == list(range(row.first_frame, row.last_frame + 1))
            if row.parent:
                mother = sequence.lineage.set_index("cell").loc[row.parent]
                assert mother["last_frame"] == row.first_frame - 1


def test_cells_divide_come_and_go(sequences):
    divisions = came = left = 0
    for sequence in sequences:
        lineage = sequence.lineage
        mothers = lineage.loc[lineage["parent"] > 0, "parent"]
        assert mothers.value_counts().max() <= 2
        divisions += (mothers.value_counts() == 2).sum()
        came += ((lineage["first_frame"] > 0) & (lineage["parent"] == 0)).sum()
        left += ((lineage["last_frame"] < FRAMES - 1) & ~lineage["cell"].isin(mothers)).sum()
    assert divisions >= 6
    assert came >= 6
    assert left >= 6


def test_cells_are_numbered_as_an_observer_sees_them():
    labels = np.zeros((4, 20, 40), np.int32)
    labels[:2, :8, :8] = 5  # leaves, comes back in the last frame
    labels[3, :8, :8] = 5
    labels[:2, 10:18, 20:30] = 9  # divides into 11 and 12
    labels[2:, 10:18, 20:25] = 11
    labels[2:, 10:18, 25:30] = 12
    labels[0, 0, 20:24] = 9  # a separate part
    labels[1, 15:, 0:2] = 7  # a sliver
    seen, lineage = number_as_seen(labels.copy(), {11: 9, 12: 9})
    assert lineage.to_numpy().tolist() == [
        [1, 0, 0, 1],
        [2, 0, 0, 1],
        [3, 2, 2, 3],
        [4, 2, 2, 3],
        [5, 0, 3, 3],
    ]
    assert seen[0, 0, 21] == 0
    assert seen[1, 16, 0] == 0
    assert (seen[3, :8, :8] == 5).all()


# --- cells -------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(5))
def test_an_outline_encloses_the_disc_of_its_radius(seed):
    cell = new_cell(1, np.zeros(2), np.random.default_rng(seed))
    cell = dataclasses.replace(cell, born=-20, divides=20)
    angles = np.linspace(0, 2 * np.pi, 720, endpoint=False)
    area = np.pi * np.mean(outline(cell, 0, angles) ** 2)
    assert area == pytest.approx(np.pi * cell.radius**2)
    assert roundness(cell, 0) == 0


def test_a_cell_rounds_up_before_it_divides_and_its_daughters_lie_side_by_side():
    mother = dataclasses.replace(still_cell((50, 50)), divides=3.0)
    assert roundness(mother, 2.9) == 1
    border = outline(mother, 2.9, np.linspace(0, 6, 50))
    assert border == pytest.approx(round_radius(mother))
    one, other = divide(mother, 8, np.random.default_rng(0))
    assert (one.number, other.number, one.parent, other.parent) == (8, 9, 1, 1)
    assert roundness(one, 3.0) == 1
    assert roundness(one, 6.5) == 0
    assert (one.position + other.position) / 2 == pytest.approx(mother.position, abs=1)
    volume = sum(round_radius(cell) ** 3 for cell in (one, other))
    assert volume == pytest.approx(round_radius(mother) ** 3, rel=0.15)


def test_cells_that_overlap_share_a_border_half_way():
    left = still_cell((20, 15))
    right = dataclasses.replace(still_cell((20, 29)), number=2)
    labels, depth, _ = draw_labels([left, right], 0, 88)
    row = labels[20 * SAMPLING]
    assert (row > 0).sum() == pytest.approx((14 + 2 * 10) * SAMPLING, abs=1)
    assert (row[10 * SAMPLING : 22 * SAMPLING] == 1).all()
    assert (row[22 * SAMPLING + 1 : 38 * SAMPLING] == 2).all()
    assert depth[20 * SAMPLING, 22 * SAMPLING] == pytest.approx(0, abs=0.6)
    assert depth[20 * SAMPLING, 15 * SAMPLING] == pytest.approx(10, abs=0.1)


# --- light and camera --------------------------------------------------------------------------


def test_without_an_object_the_light_passes_unchanged():
    flat = np.zeros((64, 64))
    assert defocused_intensity(flat, flat, 0.54, 12.0, 0.5) == pytest.approx(np.ones((64, 64)), abs=1e-4)
    darker = defocused_intensity(flat, flat + 0.3, 0.54, 12.0, 0.5)
    assert darker == pytest.approx(np.full((64, 64), np.exp(-0.3)), abs=1e-4)


@pytest.mark.parametrize("defocus_um", [-4.0, 4.0])
def test_a_weak_smooth_phase_shows_its_curvature(defocus_um):
    """Teague 1983: I = 1 - z λ/(2π n) ∇²φ; for a Gaussian of width s the middle has ∇²φ = -2 φ0 / s²."""
    pixel_um, width_um, height = 0.5, 6.0, 0.2
    rows, columns = np.mgrid[-64:64, -64:64] * pixel_um
    phase = height * np.exp(-(rows**2 + columns**2) / (2 * width_um**2))
    image = defocused_intensity(phase, 0 * phase, 0.54, defocus_um, pixel_um)
    expected = defocus_um * 0.54 / (2 * np.pi * MEDIUM_INDEX) * 2 * height / width_um**2
    assert image[64, 64] - 1 == pytest.approx(expected, rel=0.05)
    assert image.mean() == pytest.approx(1, abs=1e-4)


def test_the_camera_counts_electrons():
    conditions = Conditions(10, 0, 0, 0.5, (1.1, 1.0, 0.9), 2000, 0, 0, 0)
    exposure = np.ones((512, 512, 3))
    image = colour_camera(exposure, conditions, np.random.default_rng(0)).astype(float)
    assert image.mean((0, 1)) == pytest.approx([255 * 0.55, 255 * 0.5, 255 * 0.45], abs=0.5)
    noise = image.std((0, 1))
    assert noise[0] > noise[2]  # brighter means more shot noise
    assert noise[1] < 0.8 * noise[0]  # two green pixels a quadruplet
    neighbours = np.corrcoef(image[:, 1:, 0].ravel(), image[:, :-1, 0].ravel())[0, 1]
    assert 0.15 < neighbours < 0.6


def test_colours_differ(sequences):
    assert len(WAVELENGTHS_UM) == 3
    for sequence in sequences:
        red, green, blue = (
            ndimage.gaussian_laplace(sequence.images[0, ..., c].astype(float), 1) for c in range(3)
        )
        assert np.corrcoef(red.ravel(), green.ravel())[0, 1] < 0.98
        assert np.corrcoef(red.ravel(), blue.ravel())[0, 1] < 0.98


# --- images and labels together ----------------------------------------------------------------


def edge_energy(image):
    grey = ndimage.gaussian_filter(image.astype(float).mean(-1), 1)
    return ndimage.gaussian_gradient_magnitude(grey, 1) ** 2


def test_cells_carry_the_contrast_and_lie_where_the_labels_say(sequences):
    for sequence in sequences:
        here, shifted = [], []
        for image, labels in zip(sequence.images, sequence.labels, strict=True):
            energy = np.log(edge_energy(image) + 1e-3)
            for found, moved in ((here, labels), (shifted, np.roll(labels, 12, 1))):
                found.append(energy[moved > 0].mean() - energy[moved == 0].mean())
        assert np.mean(here) > np.log(2)
        assert np.mean(here) > 1.5 * np.mean(shifted)


def threshold_cells(image, window_px, smoothing_px, logarithmic):
    """What a student would write: local contrast, Otsu, opening, holes filled, small things removed."""
    grey = image.astype(float).mean(-1)
    mean = ndimage.uniform_filter(grey, window_px)
    contrast = np.sqrt(np.maximum(ndimage.uniform_filter(grey**2, window_px) - mean**2, 0))
    contrast = ndimage.gaussian_filter(contrast, smoothing_px) if smoothing_px else contrast
    contrast = np.log(contrast + 1e-3) if logarithmic else contrast
    found = ndimage.binary_fill_holes(contrast > filters.threshold_otsu(contrast))
    found = ndimage.binary_opening(found, morphology.disk(2))
    return morphology.remove_small_objects(found, max_size=150)


def test_a_threshold_finds_the_cells_but_not_well(sequences):
    frames = [
        pair for sequence in sequences for pair in zip(sequence.images, sequence.labels > 0, strict=True)
    ]
    best = 0
    for window_px in (3, 5, 9, 15):
        for smoothing_px, logarithmic in ((0, True), (1, True), (2, False), (3, False)):
            dice = []
            for image, truth in frames:
                found = threshold_cells(image, window_px, smoothing_px, logarithmic)
                dice.append(2 * (found & truth).sum() / (found.sum() + truth.sum()))
            best = max(best, np.mean(dice))
    assert 0.65 < best < 0.85


# --- files -------------------------------------------------------------------------------------


def test_the_committed_sheet_names_exactly_what_the_simulator_writes():
    options = yaml.safe_load((ROOT / "config/config.yaml").read_text())["simulate"]
    rows = read_table(ROOT / "config/demo.tsv").to_dict("records")
    images, masks = (
        [
            f"../{path}"
            for sequence in range(1, options["sequences"] + 1)
            for path in simulated_files(options, kind, sequence)
        ]
        for kind in ("images", "masks")
    )
    assert [row["image"] for row in rows] == images
    assert [row["mask"] for row in rows] == masks
    for row in rows:
        assert row["sample"] == Path(row["image"]).stem == Path(row["mask"]).stem
        assert row["sample"] == f"{row['group']}_{int(row['frame']):02d}"
        assert row["pixel_size_um"] == PIXEL_SIZE_UM


def test_the_script_writes_what_the_library_makes(tmp_path):
    images = [tmp_path / "images" / f"{frame}.tif" for frame in range(2)]
    masks = [tmp_path / "masks" / f"{frame}.tif" for frame in range(2)]
    simulate.main(images, masks, sequence=2, frames=2, size=96, seed=1)
    expected = simulate_sequence(1, 2, 2, 96)
    for frame in range(2):
        assert np.array_equal(read_image(images[frame]), expected.images[frame])
        labels, kind, *_ = read_mask(masks[frame])
        assert kind == "instances"
        assert np.array_equal(labels, expected.labels[frame])
    assert sorted(path.name for path in (tmp_path / "images").iterdir()) == ["0.tif", "1.tif"]


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"frames": 5}, "sequence1_05.tif is not simulated, and 11 others"),
        ({"sequences": 7}, "sequence7_00.tif is not in the sheet, and 11 others"),
    ],
)
def test_a_sheet_of_another_length_is_refused(changed, said):
    options = {"folder": "resources/demo", "sequences": 6, "frames": 6}
    samples = read_samples(ROOT / "config/demo.tsv")
    samples[["image", "mask"]] = samples[["image", "mask"]].map(
        lambda path: str(Path(path).relative_to(ROOT))
    )
    check_simulated(samples, options, "demo.tsv")
    with pytest.raises(InputError, match=said):
        check_simulated(samples, options | changed, "demo.tsv")
