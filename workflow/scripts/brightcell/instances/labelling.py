"""From foreground probabilities to single cells: the watershed."""

from collections import defaultdict
from collections.abc import Iterable, Iterator

import numpy as np
from scipy import ndimage
from skimage import filters, morphology, segmentation

from .distance import distance_to_background, smooth
from .watershed import Basins, find_basins

BORDERS = ("keep", "clear")
EIGHT = np.ones((3, 3), bool)  # neighbours of a pixel, including the corners
SMALLEST_DEPTH = 1 / 250  # finer than any useful depth
Window = tuple[slice, slice]
Hole = tuple[Window, np.ndarray]  # a window and, in it, the hole's pixels


def label_cells(
    foreground: np.ndarray,
    distance: np.ndarray | None = None,
    threshold: float = 0.5,
    smoothing_px: float = 1.0,
    depth: float = 0.1,
    minimum_area_px: int = 20,
    radius_px: float | None = None,
    border: str = "keep",
) -> np.ndarray:
    """Separate touching cells by a marker-controlled watershed.

    Markers are the tops of a height map that rise at least `depth` above the saddle to any higher one (h-maxima;
    see `watershed`). The map is the smoothed distance to the cell's edge: as the network learned it if
    `distance` is given, else the Euclidean distance transform of the foreground in units of the typical cell's
    radius. Every piece of foreground keeps at least one marker.

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
        Least rise of a marker above its saddle, in units of the height map (a typical cell's top is 1);
        less than 0.004 counts as 0.004.
    minimum_area_px : int
        Smaller objects are removed, and holes up to this area are filled. Larger holes are filled if a single
        cell encloses them.
    radius_px : float, optional
        Distance from the middle of a typical cell to its edge, for maps without `distance`; by default the
        median over the frame's pieces of foreground.
    border : str
        "keep" or "clear" the cells that touch the frame's border.

    Returns
    -------
    numpy.ndarray
        int32 (height, width): 0 for background, cells from 1 without gaps.

    >>> squares = np.kron([[0, 0, 0, 0], [0, 1, 0, 1]], np.ones((5, 5)))
    >>> label_cells(squares)[5].tolist()
    [0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 2, 2, 2, 2, 2]
    >>> bool(label_cells(squares, border="clear").any())
    False
    """
    if border not in BORDERS:
        raise ValueError(f"border {border!r}; expected one of {', '.join(BORDERS)}")
    mask, holes = find_foreground(foreground, threshold, minimum_area_px)
    height = height_map(mask, distance, smoothing_px, radius_px, minimum_area_px)
    labels = draw_cells(mask.shape, flood(mask, height), holes, depth, minimum_area_px)
    return (
        segmentation.relabel_sequential(segmentation.clear_border(labels))[0] if border == "clear" else labels
    )


def find_foreground(
    foreground: np.ndarray, threshold: float, hole_area_px: int
) -> tuple[np.ndarray, list[Hole]]:
    """Return the mask of the pixels of at least `threshold` with small holes filled, and the larger holes."""
    mask = np.ascontiguousarray(np.asarray(foreground) >= threshold)
    pieces, count = ndimage.label(~mask)
    # The first piece is nearly always the whole outside: it is not counted pixel by pixel.
    inner = np.flatnonzero(pieces > 1)
    piece = pieces.ravel()[inner]
    areas = np.bincount(piece, minlength=count + 1)
    areas[1:2] = mask.size - np.count_nonzero(mask) - len(inner)
    small = areas <= hole_area_px
    mask.ravel()[inner[small[piece]]] = True
    large = ~small
    large[0] = False
    for edge in (pieces[0], pieces[-1], pieces[:, 0], pieces[:, -1]):
        large[edge] = False
    if count and small[1]:
        mask[pieces == 1] = True
    if not large.any():
        return mask, []
    boxes = ndimage.find_objects(pieces)
    holes: list[Hole] = []
    for hole in np.flatnonzero(large):
        rows, columns = (slice(axis.start - 1, axis.stop + 1) for axis in boxes[hole - 1])
        holes.append(((rows, columns), pieces[rows, columns] == hole))
    return mask, holes


def height_map(
    mask: np.ndarray,
    distance: np.ndarray | None,
    smoothing_px: float,
    radius_px: float | None,
    minimum_area_px: int,
) -> np.ndarray:
    """Return the height map of `label_cells`, float32 (height, width)."""
    if distance is None:
        distance = distance_to_background(mask)
        distance /= radius_px or typical_radius(mask, distance, minimum_area_px)
    return smooth(distance, smoothing_px)


def typical_radius(mask: np.ndarray, distance: np.ndarray, minimum_area_px: int) -> float:
    """Return the median of the largest distance to the background over the connected pieces of a mask.

    Pieces of fewer than `minimum_area_px` pixels only count if there are no others; 1 for an empty mask.
    """
    pieces, count = ndimage.label(mask, structure=EIGHT)
    piece = pieces[mask] - 1
    largest = np.zeros(count, np.float32)
    np.maximum.at(largest, piece, distance[mask])
    large = np.bincount(piece, minlength=count) >= minimum_area_px
    return float(np.median(largest[large] if large.any() else largest)) if count else 1.0


def flood(mask: np.ndarray, height: np.ndarray) -> Iterator[tuple[Window, Basins]]:
    """Flood a mask (height, width) window by window; yield (window, basins of the pieces in it)."""
    for window, inside in blocks_of_pieces(mask):
        yield window, find_basins(height[window], inside)


def draw_cells(
    shape: tuple[int, int],
    floods: Iterable[tuple[Window, Basins]],
    holes: list[Hole],
    depth: float,
    minimum_area_px: int,
) -> np.ndarray:
    """Draw the cells of a `flood` for one depth and least area; int32, numbered from 1 without gaps."""
    labels, last = np.zeros(shape, np.int32), 0
    for window, basins in floods:
        number = basins.merge(max(depth, SMALLEST_DEPTH), minimum_area_px)
        number[number > 0] += last
        labels[window][basins.mask] = number[basins.basin]
        last = max(last, int(number.max(initial=0)))
    for window, hole in holes:
        around = np.unique(labels[window][ndimage.binary_dilation(hole) & ~hole])
        if len(around) == 1:  # a single cell, or background where a small cell was removed
            labels[window][hole] = around[0]
    return labels


def blocks_of_pieces(mask: np.ndarray, side: int = 2048) -> Iterator[tuple[Window, np.ndarray]]:
    """Divide a large mask into windows with whole connected pieces, to limit memory.

    Yields (window, inside): each piece is `inside` one window, that of the block of `side` px which contains its
    middle. No flood crosses from piece to piece, so that they can be flooded separately.
    """
    if max(mask.shape) <= side:
        yield (slice(None), slice(None)), mask
        return
    pieces, _ = ndimage.label(mask, structure=EIGHT)
    boxes = ndimage.find_objects(pieces)
    members = defaultdict(list)
    for piece, box in enumerate(boxes, start=1):
        members[tuple((axis.start + axis.stop) // 2 // side for axis in box)].append(piece)
    for chosen in members.values():
        rows, columns = (
            slice(
                min(boxes[piece - 1][axis].start for piece in chosen),
                max(boxes[piece - 1][axis].stop for piece in chosen),
            )
            for axis in (0, 1)
        )
        own = np.zeros(len(boxes) + 1, bool)
        own[chosen] = True
        yield (rows, columns), own[pieces[rows, columns]]


def local_contrast_foreground(image: np.ndarray, window_px: int) -> np.ndarray:
    """Find cells without learning: local contrast, Otsu's threshold, holes filled; bool (height, width).

    This is what a student would write first, and the baseline for any network: the logarithm of the standard deviation
    in a square window of the grey image, thresholded by Otsu 1979 (doi 10.1109/TSMC.1979.4310076); holes filled, opened.
    """
    grey = np.atleast_3d(image).astype(np.float64).mean(-1)
    mean = ndimage.uniform_filter(grey, window_px)
    variance = np.maximum(ndimage.uniform_filter(grey**2, window_px) - mean**2, 0)
    if variance.max() == variance.min():
        return np.zeros(grey.shape, bool)
    contrast = np.log(np.sqrt(variance) + 1e-3)
    mask = ndimage.binary_fill_holes(contrast > filters.threshold_otsu(contrast))
    return ndimage.binary_opening(mask, morphology.disk(2))
