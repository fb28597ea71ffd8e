"""Heights and basins: known maps, and the same numbers as by scipy and scikit-image."""

import numpy as np
import pytest
from plain_watershed import draw_maps, label_plainly
from scipy import ndimage
from spoilt import draw_cells

from brightcell.instances import distance, labelling
from brightcell.instances.watershed import find_basins
from brightcell.metrics import registry


def test_rises_of_a_range_of_hills():
    """Tops 5, 3, 9, 4 with saddles 2, 1, 3 between them."""
    height = np.array([[0, 5, 2, 3, 1, 9, 3, 4, 0]], float)
    basins = find_basins(height, np.ones(height.shape, bool))
    np.testing.assert_allclose(basins.rise, [4, 1, np.inf, 1], rtol=1e-6)
    assert basins.parent.tolist() == [2, 0, 2, 2] or basins.parent.tolist() == [1, 0, 2, 2]
    assert [basins.merge(depth).max() for depth in (0.5, 0.99, 1.01, 3.99, 4.01)] == [4, 4, 2, 2, 1]
    assert basins.merge(2).tolist() == [1, 1, 2, 2]
    assert basins.area.sum() == 9


def test_a_plateau_of_any_shape_is_one_top():
    ring = np.zeros((30, 30), bool)
    ring[5:25, 5:25], ring[10:20, 10:20] = True, False
    assert find_basins(np.ones(ring.shape), ring).merge(0.01).max() == 1


def test_pieces_that_touch_nowhere_stay_apart():
    mask = np.array([[1, 0, 1, 0], [0, 0, 0, 0], [1, 1, 0, 1]], bool)
    basins = find_basins(np.ones(mask.shape), mask)
    assert basins.merge(10)[basins.basin].tolist() == [1, 2, 3, 3, 4]
    assert basins.merge(10, least_area=2)[basins.basin].tolist() == [0, 0, 1, 1, 0]


def test_an_empty_mask_has_no_basin():
    basins = find_basins(np.ones((5, 5)), np.zeros((5, 5), bool))
    assert len(basins.merge(0.1)) == len(basins.basin) == 0


@pytest.mark.parametrize("seed", range(6))
def test_distance_is_that_of_scipy(seed):
    rng = np.random.default_rng(seed)
    noise = ndimage.gaussian_filter(rng.normal(size=rng.integers(2, 300, 2)), [0, 1, 3, 8, 20, 60][seed])
    mask = noise > np.quantile(noise, rng.uniform(0.05, 0.8))
    np.testing.assert_allclose(
        distance.distance_to_background(mask), ndimage.distance_transform_edt(mask), rtol=1e-6
    )


def test_distance_beyond_the_rows_looked_at():
    """A square of 301 px in the middle of nothing, and a stripe of 2000 px."""
    square, stripe = np.zeros((305, 305), bool), np.zeros((9, 2004), bool)
    square[2:-2, 2:-2], stripe[2:-2, 2:-2] = True, True
    assert distance.distance_to_background(square).max() == 151
    assert distance.distance_to_background(stripe).max() == 3
    assert distance.distance_to_background(stripe.T).max() == 3
    assert not distance.distance_to_background(~np.ones((4, 4), bool)).any()
    assert np.isfinite(distance.distance_to_background(np.ones((60, 60), bool))).all()


@pytest.mark.parametrize(
    ("shape", "sigma"), [((70, 200), 1.0), ((200, 70), 3.3), ((3, 5), 2.0), ((64, 64), 0.1)]
)
def test_smoothing_is_that_of_scipy(shape, sigma):
    image = np.random.default_rng(0).uniform(size=shape)
    smoothed = distance.smooth(image, sigma)
    assert smoothed.shape == shape
    np.testing.assert_allclose(smoothed, ndimage.gaussian_filter(image, sigma, truncate=3), atol=1e-5)


@pytest.mark.parametrize("learned", [True, False])
@pytest.mark.parametrize("seed", range(4))
def test_cells_are_those_of_scikit_image(seed, learned):
    """The same markers; cells differ by the few pixels that belong to two as well as to one."""
    truth = draw_cells(seed, size=256, number=36)
    foreground, distance = draw_maps(truth, seed)
    settings = {
        "threshold": 0.4 + 0.1 * (seed % 2), "smoothing_px": 1.0 + seed % 3, "depth": [0.02, 0.1, 0.3][seed % 3],
        "minimum_area_px": 10 * seed, "radius_px": 15.0,
    }  # fmt: skip
    distance = distance if learned else None
    labels = labelling.label_cells(foreground, distance, **settings)
    scores = registry.instance_scores(label_plainly(foreground, distance, **settings), labels)
    assert scores["truth_cells"] == scores["predicted_cells"] > 20
    assert scores["ap90"] == 1
    assert scores["seg"] > 0.995
    assert scores["det"] == 1
