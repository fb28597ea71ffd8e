"""Read what a file's name says: whether it is an image or a mask, and its group and frame.

Names are those that microscopes and segmentation programs give: Leica (`Series001_t03_ch00`), Micro-Manager
(`img_000000003_Default_000`), Incucyte (`VID12_A1_1_00d06h00m`), ZEN (`s01t005c1`), Cellpose (`a_cp_masks`).
"""

import re
from pathlib import PurePosixPath

BETWEEN = r"[ _.-]+"


class Words:
    """Words that stand at the end or the beginning of names, apart from the rest by a blank or one of _ . -

    >>> IMAGE.cut("a_BF"), MASK.cut("a_BF_cp_masks"), MASK.cut("mask-07"), MASK.cut("labels"), IMAGE.cut("dishbf")
    ('a', 'a_BF', '07', '', 'dishbf')
    """

    def __init__(self, *words: str, apart: str = rf"(?:^|{BETWEEN})") -> None:
        alternatives = "|".join(words)
        self.end = re.compile(rf"{apart}(?:{alternatives})$", re.IGNORECASE)
        self.start = re.compile(rf"^(?:{alternatives}){BETWEEN}", re.IGNORECASE)

    def cut_end(self, name: str) -> str:
        """Return a name without such a word at its end."""
        return self.end.sub("", name)

    def cut(self, name: str) -> str:
        """Return a name without such a word at its end, or else at its beginning."""
        shorter = self.cut_end(name)
        return shorter if shorter != name else self.start.sub("", name)

    def matches(self, name: str) -> bool:
        """Return whether a name begins or ends with such a word."""
        return self.cut(name) != name


def given(ending: str) -> Words:
    """Convert an ending as a user writes it: `_BF`, `BF`, `*_BF.tif`.

    >>> given("*_BF.tif").cut("a_BF"), given("Mask").cut("aMask"), given("_ch0").cut("a_ch0")
    ('a', 'a', 'a')
    """
    ending = re.sub(r"\.(?:ome\.)?[a-z]\w{2,6}$", "", ending.strip().replace("*", ""), flags=re.IGNORECASE)
    return Words(re.escape(ending.strip(" _.-") or ending), apart=f"(?:{BETWEEN})?")


IMAGE = Words(
    r"images?|img|raw|bf|bright[ _-]?field|phase|phase[ _-]?contrast|phc?|dic|tl|trans|transmitted(?:[ _-]?light)?"
)
MASK = Words(
    r"(?:cp[ _.-]?)?masks?|labels?|instances|seg|seg[ _-]?outlines?|segmentation|gt|truth|ground[ _-]?truth|annotations?"
)
ROI = Words(
    r"roi[ _-]?set|rois?|shapes"
)  # of files with outlines alone: a_roi.tif may be an image of a region
# What programs write beside their masks, which is neither image nor mask.
BESIDE = Words(
    r"(?:cp[ _.-]?)?(?:flows?|output|outlines?|dp|cellprob|probability|probabilities|preds?|predictions?)"
)
# dish1_00 → dish1, 00; 007 → "", 007; t007 → "", 007
NUMBERED = re.compile(
    rf"(?:(?P<group>.*?){BETWEEN})?(?:t|f|frame|img|image|time)?(?P<frame>\d{{1,9}})", re.IGNORECASE
)
MICRO_MANAGER = re.compile(r"img_(\d{9})_.*_\d{3}", re.IGNORECASE)
TIME = re.compile(r"(?:t|tp|time|time[ -]?point|frames?|sk)(\d{1,9})", re.IGNORECASE)
CLOCK = re.compile(r"(?:(\d+)d)?(\d+)h(\d+)m", re.IGNORECASE)
DAY = re.compile(r"(\d{4})y(\d\d)m(\d\d)d", re.IGNORECASE)
GLUED = re.compile(
    r"(?:(?:position|channel|frames?|series|well|xy|pos|ch|sk|fk|fl|[stpczmfrkla])\d{1,9}){2,}", re.IGNORECASE
)
PLANE = re.compile(r"(?:ch|channel|z)\d{1,4}", re.IGNORECASE)
PLANE_AFTER_TIME = re.compile(r"(?:ch|channel|z|c|w|fk|fl)\d{1,4}", re.IGNORECASE)
# Times in the names of groups: 24h, 30min, day2, 3days.
AGE = re.compile(r"(?:day|hour|min)s?\d{1,4}|\d{1,4}(?:h|hrs?|hours?|mins?|minutes?|d|days?)", re.IGNORECASE)
MINUTES_A_DAY = 24 * 60


def natural(name: str) -> list[tuple[int, int, str]]:
    """Return a key that sorts names by their numbers: a2 before a10."""
    return [
        (1, int(part), "") if part.isdecimal() else (0, 0, part.lower()) for part in re.split(r"(\d+)", name)
    ]


def stem(name: str) -> str:
    """Return a file's name without its suffix.

    >>> stem("a.tif"), stem("a.ome.tif"), stem("a.b.png")
    ('a', 'a', 'a.b')
    """
    name = PurePosixPath(name).stem
    return name[:-4] if name.lower().endswith(".ome") and len(name) > 4 else name


def group_and_frame(name: str) -> tuple[str, str]:
    """Read the group and the frame's number from a name without suffix; "" for what it does not say.

    The frame is the number at the end, or else a time: `t03`, `time3`, or hours and minutes, which become minutes.
    Channels and planes belong to neither.

    >>> group_and_frame("dish1_007"), group_and_frame("dish1_007_BF"), group_and_frame("plating_10000K")
    (('dish1', '007'), ('dish1', '007'), ('plating_10000K', ''))
    >>> group_and_frame("Position01Channel01Frame000004")
    ('Position01', '000004')
    >>> group_and_frame("Series001_t03_ch00"), group_and_frame("t001_pos2")
    (('Series001', '03'), ('pos2', '001'))
    >>> group_and_frame("VID12_A1_1_00d06h00m"), group_and_frame("img_000000003_Default_000")
    (('VID12_A1_1', '360'), ('', '000000003'))
    """
    name = IMAGE.cut_end(name) or name
    if found := MICRO_MANAGER.fullmatch(name):
        return "", found[1]
    words = [part for word in re.split(f"({BETWEEN})", name) for part in _unglued(word)]
    texts, between = words[::2], words[1::2]
    kept = [place for place, word in enumerate(texts) if not PLANE.fullmatch(word)] or list(range(len(texts)))
    times = [place for place, word in enumerate(texts) if TIME.fullmatch(word) or CLOCK.fullmatch(word)]
    whole = _joined(texts, between, kept)
    timed = len(times) == 1
    if timed and CLOCK.fullmatch(texts[times[0]]):
        return _by_clock(texts, between, [place for place in kept if place != times[0]], times[0])
    if found := NUMBERED.fullmatch(whole):
        return found["group"] or "", found["frame"]
    if not timed:
        return whole, ""
    rest = [
        place
        for place in kept
        if place < times[0] or (place > times[0] and not PLANE_AFTER_TIME.fullmatch(texts[place]))
    ]
    return _joined(texts, between, rest), TIME.fullmatch(texts[times[0]])[1]  # type: ignore[index]


def without_times(name: str) -> str:
    """Return a name without its words for a time, or as it is if nothing else is left.

    >>> without_times("well3_24h"), without_times("pos2_t03_BF"), without_times("dish1"), without_times("t03")
    ('well3', 'pos2_BF', 'dish1', 't03')
    """
    words = [part for word in re.split(f"({BETWEEN})", name) for part in _unglued(word)]
    texts, between = words[::2], words[1::2]
    kept = [
        place
        for place, word in enumerate(texts)
        if not any(each.fullmatch(word) for each in (TIME, CLOCK, DAY, AGE))
    ]
    return _joined(texts, between, kept) or name


def _unglued(word: str) -> list[str]:
    """Split s01t005c1 into its words, with _ between them, if one of them is a time."""
    pieces = re.findall(r"[a-z]+\d+", word, re.IGNORECASE) if GLUED.fullmatch(word) else []
    if not any(TIME.fullmatch(piece) for piece in pieces):
        return [word]
    return [part for piece in pieces for part in (piece, "_")][:-1]


def _joined(texts: list[str], between: list[str], places: list[int]) -> str:
    """Join the words at the places, each with the text that stood before it."""
    return "".join(
        (between[place - 1] if number else "") + texts[place] for number, place in enumerate(places)
    )


def _by_clock(texts: list[str], between: list[str], kept: list[int], place: int) -> tuple[str, str]:
    """Return group and minutes of a name with a time such as 00d06h00m; numbers behind it are parts of one field."""
    days, hours, minutes = (int(part or 0) for part in CLOCK.fullmatch(texts[place]).groups())  # type: ignore[union-attr]
    dated = [at for at in kept if DAY.fullmatch(texts[at])]
    for at in dated:
        year, month, day = map(int, DAY.fullmatch(texts[at]).groups())  # type: ignore[union-attr]
        days += 366 * (year - 2000) + 31 * month + day  # only their order counts
    rest = [at for at in kept if at not in dated and not (at > place and texts[at].isdecimal())]
    return _joined(texts, between, rest), str(MINUTES_A_DAY * days + 60 * hours + minutes)
