"""The page of a segmented recording: which frames it shows, what it says of their cells, and how large it gets."""

import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tifffile
from defaults import defaults
from segmented import make_recording

from brightcell import files
from brightcell.preprocessing.loader import FrameLoader
from brightcell.report import preview

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def recording(tmp_path_factory):
    made = make_recording(tmp_path_factory.mktemp("recording"))
    made.follow()
    made.judge()
    return made


def content(page):
    """What the page's script reads."""
    text = re.search(r'<script type="application/json" id="content">(.*?)</script>', page.read_text(), re.S)[
        1
    ]
    return json.loads(text)


def table(frames, cells=50, flagged=()):
    return pd.DataFrame(
        {"cells": cells, "flags": ["dark" if place in flagged else "" for place in range(frames)]}
    )


def test_all_frames_are_shown_where_they_are_few():
    assert preview.choose_frames(table(60)) == list(range(60))
    assert preview.choose_frames(table(1)) == [0]


def test_of_many_some_are_shown_at_even_distances_and_some_for_their_flags():
    chosen = preview.choose_frames(table(1000))
    assert len(chosen) == preview.MOST_FRAMES
    assert chosen[0] == 0
    assert chosen[-1] == 999
    assert np.ptp(np.diff(chosen)) <= 1
    assert {313, 314} <= set(preview.choose_frames(table(1000, flagged=(313, 314))))
    for_flags = preview.choose_frames(table(1000, flagged=range(400, 600)))
    assert len(for_flags) <= preview.MOST_FRAMES
    assert len(set(for_flags) & set(range(400, 600))) < 30


@pytest.mark.parametrize(("cells", "frames"), [(3000, 10), (70_000, 2)])
def test_fewer_are_shown_of_frames_with_many_cells(cells, frames):
    assert len(preview.choose_frames(table(200, cells=cells))) == frames


def test_frames_look_as_the_networks_saw_them(tmp_path, monkeypatch):
    made = make_recording(tmp_path, frames=18, size=64)
    for row in made.rows[16:]:
        tifffile.imwrite(row["image"], np.full((64, 64, 3), 255, np.uint8), photometric="rgb")
    made.judge()
    shown, draw = [], preview.draw_frame
    monkeypatch.setattr(preview, "draw_frame", lambda image, *rest: shown.append(image) or draw(image, *rest))
    made.preview(followed=False, bit_depth="group")
    loader = FrameLoader(made.rows[:16], defaults("images"), defaults("preprocess", bit_depth="group"))
    for image, row in zip(shown, made.rows, strict=True):
        assert np.array_equal(image, loader.frame(row).image)


def test_every_cell_of_a_frame_has_its_outline_and_its_track(recording):
    shown = content(recording.preview())
    tracks = files.read_table(recording.folder / "tracks.tsv")
    assert shown["followed"]
    assert len(shown["frames"]) == 8
    for frame in shown["frames"]:
        own = tracks[tracks["sample"] == frame["sample"]]
        assert [cell[:3] for cell in frame["cells"]] == own[["cell", "track", "parent"]].to_numpy().tolist()
        assert all(re.fullmatch(r"(M[\d .-]+(l-?\d+ -?\d+)+z)+", cell[6]) for cell in frame["cells"])
        assert frame["image"].startswith("data:image/jpeg;base64,")


def test_an_outline_lies_around_its_cell(recording):
    """The box of a path, in pixels, is that of the cell's pixels."""
    frame = content(recording.preview())["frames"][3]
    labels = recording.truth.labels[3]
    scale = frame["width"] / labels.shape[1]
    for cell in frame["cells"]:
        rows, columns = np.nonzero(labels == cell[0])
        x, y = (np.cumsum(steps) for steps in points_of(cell[6]))
        assert x.min() / scale == pytest.approx(columns.min(), abs=1.5)
        assert x.max() / scale == pytest.approx(columns.max() + 1, abs=1.5)
        assert y.min() / scale == pytest.approx(rows.min(), abs=1.5)
        assert y.max() / scale == pytest.approx(rows.max() + 1, abs=1.5)


def points_of(path):
    """The steps in x and y of a path of one contour."""
    pairs = re.findall(r"[Ml](-?\d+) (-?\d+)", path)
    return np.array(pairs, int).T


def test_cells_that_are_not_followed_have_no_tracks(recording):
    page = recording.preview(followed=False)
    shown = content(page)
    assert not shown["followed"]
    assert {cell[1] for frame in shown["frames"] for cell in frame["cells"]} == {0}
    assert 'value="track"' not in page.read_text()


def test_flags_and_counts_are_those_of_the_table(recording):
    judged = files.read_table(recording.folder / "quality.tsv")
    assert judged.index[judged["flags"] != ""].tolist() == [2, 5]
    page = recording.preview()
    shown = content(page)
    assert shown["series"]["cells"]["values"] == judged["cells"].tolist()
    assert shown["flagged"] == (judged["flags"] != "").tolist()
    for text in judged["flags"][judged["flags"] != ""]:
        assert text in page.read_text()


def test_what_all_frames_share_stands_once(recording, tmp_path):
    judged = files.read_table(recording.folder / "quality.tsv")
    judged["flags"] = ["; ".join(filter(None, ["dark 3", text])) for text in judged["flags"]]
    sizes = preview.describe_sizes(
        files.read_table(recording.folder / "frames.tsv").assign(pixel_size_um=np.nan)
    )
    folders = [ROOT / "workflow/report/preview", ROOT / "workflow/report/page"]
    made_of = files.read_json(recording.folder / "made_of.json")
    page = preview.build("dish", judged, {}, made_of, None, folders, sizes)
    assert "All frames: dark 3 (in the first)." in page and ">dark 3" not in page
    assert 'href="#flagged">2 frames to look at' in page
    assert "Pixel size unknown, taken to be that of the training; cells about" in page


def test_a_large_frame_is_drawn_smaller():
    labels = np.zeros((3000, 1500), np.int32)
    labels[100:400, 200:500] = 7
    cells = pd.DataFrame(
        {"cell": [7], "area_px": 90_000, "area_um2": np.nan, "confidence": 0.9, "disagreement": np.nan}
    )
    drawn = preview.draw_frame(np.zeros((3000, 1500, 1), np.uint8), labels, cells)
    assert (drawn["width"], drawn["height"]) == (512 * 4, 1024 * 4)
    assert drawn["cells"][0][:6] == [7, 0, 0, "90000 px", 0.9, None]


def test_a_recording_without_cells_has_a_page(tmp_path):
    made = make_recording(tmp_path, frames=2, size=64)
    cells = files.read_table(tmp_path / "cells.tsv")
    files.write_table(cells[:0], tmp_path / "cells.tsv")
    frames = files.read_table(tmp_path / "frames.tsv")
    files.write_table(
        frames.assign(cells=0, median_area_px=np.nan, disagreement=np.nan), tmp_path / "frames.tsv"
    )
    made.follow()
    assert made.judge()["flags"].tolist() == ["no cell", "no cell"]
    assert [frame["cells"] for frame in content(made.preview())["frames"]] == [[], []]


def expect(recording, **changes):
    """Write what is expected of the two models of the recording; give the words of its page."""
    row = {
        "scheme": "grouped",
        "network": "attention",
        "score": "ap50",
        "mean": 0.83,
        "low": 0.75,
        "high": 0.91,
    }
    counts = {"groups": 8, "frames": 24, "seeds": 1, "trainings": 2, "leaky": False}
    path = recording.folder / "models/expected.tsv"
    files.write_table(pd.DataFrame([row | counts | changes]), path)
    try:
        return " ".join(recording.preview().read_text().split())
    finally:
        path.unlink()


def test_the_page_says_how_good_to_expect_the_cells(recording):
    page = expect(recording)
    assert "AP at IoU 0.5</th>" in page
    assert "0.830 " in page
    assert "0.750 to 0.910" in page
    assert "On frames like those of the training: the mean over 8 annotated groups" in page
    assert "Here 2 trainings were averaged, which may be somewhat better." in page
    assert "expect less" not in page


def test_the_page_says_where_expected_scores_are_those_of_others(recording):
    assert "Here 2 of the 12 trainings segmented, which may be worse." in expect(recording, trainings=12)
    assert "In the scheme random the trainings had seen" in expect(recording, scheme="random", leaky=True)
    alone = expect(recording, low=np.nan, high=np.nan, groups=1)
    assert "the mean over 1 annotated group of frames" in alone
    assert 'class="interval"' not in alone


def test_the_page_expects_nothing_of_models_that_came_without_scores(recording):
    assert 'id="expected"' not in expect(recording, network="simple")
    assert 'id="expected"' not in recording.preview().read_text()


def test_the_page_shows_how_right_the_tracks_are(tmp_path):
    folders = [ROOT / "workflow/report/preview", ROOT / "workflow/report/page"]
    judged = pd.DataFrame(
        {name: [0.0] for name in ("cells", "cells_expected", "disagreement", "disagreement_expected")}
    )
    judged = judged.assign(sample="a", frame=0, flags="")
    made_of = {"network": "simple", "models": {"m": ""}, "parameters": {}}
    counts = {"divisions": 5, "divisions_right": 4, "divisions_missed": 1, "divisions_invented": 2}
    counts |= {"tracks": 9, "tracks_found": 8, "fragments": 1.25, "switches": 3}
    scores = {"TRA": 0.9876, "BC": float("nan")} | counts
    table = pd.DataFrame(list(scores.items()), columns=["score", "value"])
    page = preview.build("dish", judged, {}, made_of, None, folders, tracking=table)
    assert "How right the tracks are" in page
    assert "0.988" in page
    assert "Of 5 divisions 4 were found within a frame, 1 missed; 2 were invented" in page
    assert "How right the tracks are" not in preview.build("dish", judged, {}, made_of, None, folders)
