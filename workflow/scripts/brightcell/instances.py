"""From foreground probabilities to single cells: the watershed, calibrated and as published."""

from collections import defaultdict
from collections.abc import Iterator

import numpy as np
from scipy import ndimage
from skimage import filters, morphology, segmentation


def label_cells(
    foreground: np.ndarray,
    distance: np.ndarray | None = None,
    threshold: float = 0.5,
    smoothing_px: float = 1.0,
    depth: float = 0.1,
    minimum_area_px: int = 20,
) -> np.ndarray:
    """Separate touching cells by a marker-controlled watershed.

    Markers are the maxima of a height map that rise at least `depth` above the saddle to any higher one
    (h-maxima, Soille 2003, doi 10.1007/978-3-662-05088-0). The map is the smoothed distance to the cell's edge: as the
    network learned it where `distance` is given, else the Euclidean distance transform of the foreground in
    units of the typical cell's radius. Every piece of foreground keeps at least one marker.

    Parameters
    ----------
    foreground : float (height, width)
        Probability that a pixel belongs to a cell, 0..1.
    distance : float (height, width), optional
        Distance to the cell's edge, normalised to 1 in every cell.
    threshold : float
        Pixels of at least this probability are cell.
    smoothing_px : float
        Standard deviation of the Gaussian that smooths the height map, in pixels.
    depth : float
        The least rise of a marker above its saddle, in units of the height map (a typical cell's top is 1).
    minimum_area_px : int
        Smaller objects are removed, and holes up to this area filled.

    Returns
    -------
    numpy.ndarray
        int32 (height, width): 0 for background, cells from 1 without gaps.
    """
    mask = np.asarray(foreground) >= threshold
    mask = remove_specks(fill_small_holes(mask, minimum_area_px), minimum_area_px)
    if not mask.any():
        return np.zeros(mask.shape, np.int32)
    height = relative_distance(mask) if distance is None else np.asarray(distance, np.float32)
    height = ndimage.gaussian_filter(height, smoothing_px) if smoothing_px else height
    labels, last = np.zeros(mask.shape, np.int32), 0
    for window, inside in blocks_of_pieces(mask):
        found = _flood(height[window], inside, depth)
        found = segmentation.relabel_sequential(remove_small_labels(found, minimum_area_px))[0]
        labels[window][inside] = np.where(found[inside] > 0, found[inside] + last, 0)
        last += int(found.max())
    return labels


def _flood(height: np.ndarray, mask: np.ndarray, depth: float) -> np.ndarray:
    """Flood a height map within a mask from its h-maxima; labels from 1."""
    height = np.where(mask, height, -1 - depth)  # deep enough for every piece to rise out of it
    markers, _ = ndimage.label(h_maxima(height, depth) & mask, structure=np.ones((3, 3)))
    return segmentation.watershed(-height, markers, mask=mask, connectivity=2)


def blocks_of_pieces(mask: np.ndarray, side: int = 2048) -> Iterator[tuple[tuple[slice, slice], np.ndarray]]:
    """Part a large mask into windows that hold whole connected pieces, so that memory stays small.

    Yields (window, inside): each piece is `inside` one window, the one of the block of `side` px that its middle
    lies in. No flood crosses from piece to piece, so that they can be treated apart.
    """
    if max(mask.shape) <= side:
        yield (slice(None), slice(None)), mask
        return
    pieces, _ = ndimage.label(mask, structure=np.ones((3, 3)))
    boxes = ndimage.find_objects(pieces)
    members = defaultdict(list)
    for piece, box in enumerate(boxes, start=1):
        members[tuple((axis.start + axis.stop) // 2 // side for axis in box)].append(piece)
    for chosen in members.values():
        window = tuple(
            slice(
                min(boxes[piece - 1][axis].start for piece in chosen),
                max(boxes[piece - 1][axis].stop for piece in chosen),
            )
            for axis in (0, 1)
        )
        own = np.zeros(len(boxes) + 1, bool)
        own[chosen] = True
        yield window, own[pieces[window]]


def h_maxima(height: np.ndarray, depth: float) -> np.ndarray:
    """Mark the regional maxima that rise at least `depth` above the saddle to a higher one; bool.

    The height map is read in 250 steps a unit, which is finer than any depth worth asking for.
    """
    steps = np.round(height * 250).astype(np.int32)
    lowered = morphology.reconstruction(steps - max(1, round(depth * 250)), steps, method="dilation")
    walled = np.pad(lowered, 1, constant_values=lowered.min() - 1)  # a flat image is one maximum
    return morphology.local_maxima(walled, connectivity=2)[1:-1, 1:-1].astype(bool)


def relative_distance(mask: np.ndarray) -> np.ndarray:
    """Distance to the background in units of the typical cell's radius, float32.

    The typical radius is the median of the largest distance in each connected piece.
    """
    distance = ndimage.distance_transform_edt(mask)
    pieces, count = ndimage.label(mask, structure=np.ones((3, 3)))
    largest = ndimage.maximum(distance, pieces, np.arange(1, count + 1))
    return (distance / np.median(largest)).astype(np.float32)


def fill_small_holes(mask: np.ndarray, area: int) -> np.ndarray:
    """Fill holes of at most `area` pixels."""
    return ~remove_specks(~mask, area + 1, np.array([[0, 1, 0], [1, 1, 1], [0, 1, 0]]))


def remove_specks(mask: np.ndarray, area: int, structure: np.ndarray | None = None) -> np.ndarray:
    """Remove connected pieces of fewer than `area` pixels."""
    pieces, _ = ndimage.label(mask, structure=np.ones((3, 3)) if structure is None else structure)
    return mask & (np.bincount(pieces.ravel()) >= area)[pieces]


def remove_small_labels(labels: np.ndarray, area: int) -> np.ndarray:
    """Set labels of fewer than `area` pixels to background."""
    return np.where((np.bincount(labels.ravel()) >= area)[labels], labels, 0)


def label_cells_published(foreground: np.ndarray, threshold: float = 0.55) -> np.ndarray:
    """Label cells by the rule of the study (Ghaznavi et al. 2022) for its seeds; for comparison only.

    Seeds are the pixels above 0.48 × the *global* maximum of the distance transform. One big cell so erases the seeds
    of small ones, and a piece of foreground without a seed is lost: a cell of radius 30 loses all of radius 14 and
    less. The study's threshold, 0.55 to 0.60, was picked by eye.

    Takes float (height, width) in 0..1, returns int32 (height, width).
    """
    mask = np.asarray(foreground) > threshold
    if not mask.any():
        return np.zeros(mask.shape, np.int32)
    distance = ndimage.distance_transform_edt(mask)
    seeds, _ = ndimage.label(distance > 0.48 * distance.max(), structure=np.ones((3, 3)))
    return segmentation.watershed(-distance, seeds, mask=mask).astype(np.int32)


def local_contrast_foreground(image: np.ndarray, window_px: int) -> np.ndarray:
    """Find cells without any learning: local contrast, Otsu's threshold, holes filled; bool (height, width).

    What a student would write first, and the floor for any network: the logarithm of the standard deviation in a square
    window of the grey image, thresholded by Otsu 1979 (doi 10.1109/TSMC.1979.4310076); holes filled, opened.
    """
    grey = np.atleast_3d(image).astype(np.float64).mean(-1)
    mean = ndimage.uniform_filter(grey, window_px)
    variance = np.maximum(ndimage.uniform_filter(grey**2, window_px) - mean**2, 0)
    if variance.max() == variance.min():
        return np.zeros(grey.shape, bool)
    contrast = np.log(np.sqrt(variance) + 1e-3)
    mask = ndimage.binary_fill_holes(contrast > filters.threshold_otsu(contrast))
    return ndimage.binary_opening(mask, morphology.disk(2))
