"""Which outlines of a file belong to a frame: by their place in time and depth, and by their class."""

import math
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import numpy as np

from brightcell.errors import InputError

from .rasterize import Patch

INSIDE = 0.8  # share of an outline that lies in another one, from which it counts as being inside
ENCLOSED = 3  # an outline around as many others is a region, not a cell
BY_CHANCE = 1e-4  # outlines lie in one corner of the frame by chance less often than this

Position = tuple[int | None, int | None]  # time and slice, from 0; None where an object belongs to all


class Frame(NamedTuple):
    """The frame whose outlines are read.

    shape : (height, width); image : its path; page : its number in a stack, from 0
    axes : the axes over which the pages of the image count, with their lengths: ("T", 30), ("Z", 5)
    planes : pictures that the file holds for each page, if its channels are stored one by one
    turn : place of the row, from 0, among the rows whose single files share the outlines, and their number; the place is
        None where the numbers of the frames have gaps
    channels, classes : `images.channels` and `images.cell_classes` of the config
    pixel_size_um : side of a pixel in the file, or nan
    database : copy of a COCO file that is faster to read, see `coco.write_index`
    """

    shape: tuple[int, int]
    image: str = ""
    page: int | None = None
    axes: tuple[tuple[str, int], ...] = ()
    planes: int = 1
    turn: tuple[int | None, int] = (0, 1)
    channels: Sequence[int] | None = None
    classes: Sequence[str] | None = None
    pixel_size_um: float = math.nan
    database: str = ""

    @property
    def pages(self) -> int | None:
        """Number of frames in the image's file, None if it is not known."""
        return math.prod(length for _, length in self.axes) if self.axes or self.page is None else None


class Cells(NamedTuple):
    """What a file says of a frame.

    cells : its cells; notes : what a user should know
    ignored : areas that do not count; regions : if there are any, nothing outside of them counts
    """

    cells: list[Patch]
    notes: list[str]
    ignored: Sequence[Patch] = ()
    regions: Sequence[Patch] = ()


def on_frame(path: Path, places: Sequence[Position], frame: Frame) -> list[bool]:
    """Tell for each object of a file whether it belongs to the frame, by its position in time and depth.

    Raises InputError where that cannot be known: several positions for a single picture, or positions beyond the stack.
    """
    times = sorted({time for time, _ in places if time is not None})
    slices = sorted({depth for _, depth in places if depth is not None})
    if len(frame.axes) == 2 and frame.page is not None:
        lengths, own = dict(frame.axes), np.unravel_index(frame.page, [length for _, length in frame.axes])
        here = dict(zip(lengths, map(int, own), strict=True))
        for values, axis in ((times, "T"), (slices, "Z")):
            _within(path, values, axis, lengths.get(axis, 1), frame)
        return [t in (None, here.get("T", 0)) and z in (None, here.get("Z", 0)) for t, z in places]
    if len(times) > 1 and len(slices) > 1:
        raise InputError(
            f"{path}: its outlines lie at {len(times)} times and in {len(slices)} slices; the image {frame.image} has "
            "frames along one axis at most. Expected outlines of this image: export them from it."
        )
    single = frame.pages == 1
    if single and max(len(times), len(slices)) < 2 and (frame.turn[1] == 1 or max([*times, *slices, 0]) == 0):
        return [True] * len(places)
    deep = len(slices) > 1 or (
        len(times) < 2 and (max(slices, default=0) > 0 or frame.axes[:1] == (("Z", frame.pages),))
    )
    place, length = frame.turn if single else (frame.page, frame.pages)
    _within(path, slices if deep else times, "Z" if deep else "T", length, frame)
    if place is None:
        raise InputError(
            f"{path}: holds outlines of several frames, and the sheet's rows for it leave out some of them (column frame). "
            "Expected a row for every frame of the sequence, or a file of outlines for each frame."
        )
    return [(z if deep else t) in (None, place) for t, z in places]


def _within(path: Path, values: Sequence[int], axis: str, length: int | None, frame: Frame) -> None:
    what = {"T": "time", "Z": "slice"}[axis]
    if values and length is not None and values[-1] >= length:
        held = (
            f"the image {frame.image} has {length}"
            if frame.pages != 1
            else f"the image {frame.image} is a single frame"
            if length == 1
            else f"the sheet has {length} single frames with these outlines"
        )
        raise InputError(
            f"{path}: has outlines at {len(values)} {what}s up to number {values[-1] + 1}; {held}. Expected the outlines of "
            "this frame alone, or, for an image sequence, a row in the sheet for each of its frames, with the same file of "
            "outlines."
        )


def sort_classes(names: Sequence[str], wanted: Sequence[str] | None) -> dict[str, str]:
    """Tell what the outlines of each class are: `cell`, `ignore`, `region`, or `other`, which is left out.

    Classes that begin with Ignore or Region are what they say, as in QuPath, and those that end with * are none of cells.
    With `wanted`, these are cells. Without it nuclei and background are left out if there are other classes.

    >>> sort_classes(["Cell", "Nucleus", "Ignore*"], None)
    {'Cell': 'cell', 'Nucleus': 'other', 'Ignore*': 'ignore'}
    >>> sort_classes(["Nucleus"], None)
    {'Nucleus': 'cell'}
    """
    kinds = {name: "cell" for name in names}
    for name in names:
        low = name.lower()
        if wanted and low in [each.lower() for each in wanted]:
            continue
        for kind in ("ignore", "region"):
            if low.startswith(kind):
                kinds[name] = kind
        if kinds[name] == "cell" and (wanted or low.endswith("*") or low == "background"):
            kinds[name] = "other"
    cells = [name for name, kind in kinds.items() if kind == "cell"]
    nuclei = [name for name in cells if name.lower().startswith("nucle")]
    if not wanted and len(nuclei) < len(cells):
        kinds |= dict.fromkeys(nuclei, "other")
    return kinds


def by_class(
    path: Path, patches: Sequence[Patch], classes: Sequence[str], wanted: Sequence[str] | None
) -> Cells:
    """Part outlines into cells, ignored areas and regions by their classes ("" where an outline has none).

    Raises InputError where cells of one class lie within those of another: it cannot be known which ones are meant.
    """
    kinds = sort_classes(list(dict.fromkeys(classes)), wanted)
    parts: dict[str, list[Patch]] = {kind: [] for kind in ("cell", "ignore", "region", "other")}
    for patch, name in zip(patches, classes, strict=True):
        parts[kinds[name]].append(patch)
    taken = [name for name in classes if kinds[name] == "cell"]
    if len(set(taken)) > 1:
        for inner, outer in enclosures(parts["cell"]):
            if taken[inner] != taken[outer]:
                raise InputError(
                    f"{path}: outlines of the class {taken[inner] or '(none)'} lie within those of the class "
                    f"{taken[outer] or '(none)'}. Which ones are cells? Name them in the config, for example "
                    f"`images: {{cell_classes: [{taken[outer] or taken[inner]}]}}`."
                )
    left = {name for name, kind in kinds.items() if kind == "other"}
    notes = (
        [f"{len(parts['other'])} outlines of the class {', '.join(sorted(left))} are left out"]
        if parts["other"]
        else []
    )
    return Cells(parts["cell"], notes, parts["ignore"], parts["region"])


def without_enclosing(found: Cells) -> Cells:
    """Leave out outlines around several others: fields of view and regions, no cells."""
    around: dict[int, int] = {}
    for _, outer in enclosures(found.cells):
        around[outer] = around.get(outer, 0) + 1
    regions = {outer for outer, number in around.items() if number >= ENCLOSED}
    if not regions:
        return found
    return found._replace(
        cells=[patch for index, patch in enumerate(found.cells) if index not in regions],
        notes=[
            *found.notes,
            f"{len(regions)} outlines lie around {ENCLOSED} or more others: regions, left out",
        ],
    )


def enclosures(patches: Sequence[Patch]) -> list[tuple[int, int]]:
    """Return the pairs of positions (inner, outer) of outlines, one of which lies within the other."""
    if len(patches) < 2:
        return []
    tops, lefts = np.array([patch[:2] for patch in patches]).T
    heights, widths = np.array([patch.pixels.shape for patch in patches]).T
    areas = np.array([np.count_nonzero(patch.pixels) for patch in patches])
    found = []
    for outer in np.argsort(-areas).tolist():
        high = np.minimum(tops + heights, tops[outer] + heights[outer]) - np.maximum(tops, tops[outer])
        wide = np.minimum(lefts + widths, lefts[outer] + widths[outer]) - np.maximum(lefts, lefts[outer])
        shared = np.maximum(high, 0) * np.maximum(wide, 0)
        for inner in np.flatnonzero(
            (areas > 0) & (areas < areas[outer]) & (shared >= INSIDE * areas)
        ).tolist():
            if common(patches[inner], patches[outer]) >= INSIDE * areas[inner]:
                found.append((inner, outer))
    return found


def common(one: Patch, other: Patch) -> int:
    """Return the number of pixels that two cells share."""
    top, left = max(one.row, other.row), max(one.column, other.column)
    bottom = min(one.row + one.pixels.shape[0], other.row + other.pixels.shape[0])
    right = min(one.column + one.pixels.shape[1], other.column + other.pixels.shape[1])
    if bottom <= top or right <= left:
        return 0
    parts = [
        patch.pixels[top - patch.row : bottom - patch.row, left - patch.column : right - patch.column]
        for patch in (one, other)
    ]
    return int(np.count_nonzero(parts[0] & parts[1]))


def refuse_micrometres(path: Path, patches: Sequence[Patch], frame: Frame) -> None:
    """Raise InputError if outlines fill just that corner of the frame where they lie if they are given in µm."""
    scale = frame.pixel_size_um
    if not 0 < scale < 0.95 or scale ** (2 * len(patches)) > BY_CHANCE:
        return
    reach = [
        max(start + length for start, length in zip(starts, lengths, strict=True)) / (side * scale)
        for starts, lengths, side in (
            ([patch.row for patch in patches], [patch.pixels.shape[0] for patch in patches], frame.shape[0]),
            (
                [patch.column for patch in patches],
                [patch.pixels.shape[1] for patch in patches],
                frame.shape[1],
            ),
        )
    ]
    if all(0.85 <= each <= 1.02 for each in reach):
        raise InputError(
            f"{path}: all {len(patches)} outlines lie in the upper left corner of {frame.image}, {scale:.3g} of its height "
            f"and width, and its pixels are {scale:.3g} µm wide. Are the coordinates in µm? Expected px: export the outlines "
            "without a scale, or divide them by the pixel size."
        )


def matching_name(path: Path, names: Sequence[str], image: str, number: int | None = None) -> str:
    """Return which of the images named in a file is the frame's: the one whose path shares the longest end, at least the name.

    number : of the images in the file, if `names` are only some of them. Raises InputError if none is or several are.
    """
    parts = Path(image).parts

    def shared_end(name: str) -> int:
        named = PurePosixPath(name.replace("\\", "/")).parts
        pairs = zip(reversed(parts), reversed(named), strict=False)
        return next((same for same, (a, b) in enumerate(pairs) if a != b), min(len(parts), len(named)))

    scores = {name: shared_end(name) for name in names}
    top = max(scores.values(), default=0)
    best = [name for name, score in scores.items() if score == top and top]
    if len(best) != 1:
        found = f"{len(best)} are" if best else "none is"
        raise InputError(
            f"{path}: of its {len(names) if number is None else number} images ({', '.join((best or list(names))[:3])}, …) "
            f"{found} called {Path(image).name}. Expected one file_name that ends like the path in the sheet."
        )
    return best[0]


def check_named_size(path: Path, name: str, size: tuple[int | None, int | None], frame: Frame) -> None:
    """Raise InputError if a file says that an image has another size, (height, width), than it has; None is not known."""
    height, width = (own if each is None else each for each, own in zip(size, frame.shape, strict=True))
    if (height, width) != tuple(frame.shape):
        raise InputError(
            f"{path}: the annotations of {name} are for {height} × {width} px, the image {frame.image} is "
            f"{frame.shape[0]} × {frame.shape[1]} px (height × width). Expected the same size: was the image scaled or "
            "cropped since?"
        )
