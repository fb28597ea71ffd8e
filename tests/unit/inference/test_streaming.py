"""Reading, predicting and writing overlap; errors come through; memory stays that of some rows of tiles."""

import json
import logging
import subprocess
import sys
import textwrap
import threading
import time
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from defaults import defaults

from brightcell.errors import InputError
from brightcell.inference import streaming, tiling
from brightcell.io import stacks

SCRIPTS = Path(__file__).parents[3] / "workflow/scripts"
RECIPE = {"percentiles": [0, 100], "levels": 3}
SETTINGS = defaults("prediction", tile=64, overlap=16, batch_size=2, symmetries=False)


def test_ahead_keeps_order_and_stays_so_many_ahead():
    made = []

    def items():
        for number in range(8):
            made.append(number)
            yield number

    for seen, number in enumerate(streaming.ahead(items(), depth=2)):
        assert number == seen
        time.sleep(0.02)
        assert len(made) <= seen + 1 + 2
    assert seen == 7


def test_ahead_really_works_meanwhile():
    here, both = threading.Barrier(2), []

    def items():
        yield 1
        here.wait(timeout=10)  # met only if this goes on while the first item is in use
        yield 2

    for number in streaming.ahead(items()):
        if number == 1:
            here.wait(timeout=10)
        both.append(number)
    assert both == [1, 2]


def test_an_error_arrives_after_the_items_before_it():
    def items():
        yield 1
        raise InputError("frame 2 is damaged")

    found = streaming.ahead(items())
    assert next(found) == 1
    with pytest.raises(InputError, match="frame 2 is damaged"):
        next(found)


def test_a_consumer_that_stops_ends_the_thread():
    closed = threading.Event()

    def items():
        try:
            yield from range(1000)
        finally:
            closed.set()

    found = streaming.ahead(items())
    next(found)
    found.close()
    assert closed.is_set()
    assert not any(thread.name == "ahead" and thread.is_alive() for thread in threading.enumerate())


def frames(*shapes):
    rng = np.random.default_rng(0)
    return [(f"frame{n}", rng.integers(0, 4096, shape).astype(np.uint16)) for n, shape in enumerate(shapes)]


def one_map(tiles):
    return tiles


def two_maps(tiles):
    return np.concatenate([tiles, 1 - tiles], axis=-1)


one_map.receptive_px = two_maps.receptive_px = 16


@pytest.mark.parametrize("predict", [one_map, two_maps])
def test_pages_hold_what_frames_are_predicted_as(tmp_path, predict):
    given = frames((40, 300, 1), (300, 200, 1), (64, 64, 1), (17, 5, 1))
    stacks.write_stack(tmp_path / "s.tif", streaming.predict_pages(predict, iter(given), RECIPE, SETTINGS))
    found = stacks.read_stack(tmp_path / "s.tif")
    assert list(found) == [name for name, _ in given]
    for name, frame in given:
        expected = stacks.to_uint16(tiling.predict_frame(predict, frame, RECIPE, SETTINGS))
        np.testing.assert_array_equal(np.atleast_3d(found[name]), expected)
    maps = dict(streaming.predict_maps(predict, iter(given), RECIPE, SETTINGS))
    np.testing.assert_array_equal(
        stacks.to_uint16(maps["frame1"]),
        stacks.to_uint16(tiling.predict_frame(predict, given[1][1], RECIPE, SETTINGS)),
    )


def test_an_error_while_predicting_reaches_the_writer_and_leaves_no_file(tmp_path):
    calls = iter(range(3))

    def predict(tiles):
        if next(calls) == 2:
            raise InputError("no memory for a batch")
        return tiles

    predict.receptive_px = 16
    with pytest.raises(InputError, match="no memory for a batch"):
        stacks.write_stack(
            tmp_path / "s.tif",
            streaming.predict_pages(predict, iter(frames((200, 200, 1))), RECIPE, SETTINGS),
        )
    assert list(tmp_path.iterdir()) == []


def test_progress_tells_rate_and_what_is_left(monkeypatch, caplog):
    now = iter([0.0, 5.0, 11.0, 12.0, 22.0])
    monkeypatch.setattr(time, "perf_counter", lambda: next(now))
    with caplog.at_level(logging.INFO, "brightcell"):
        progress = streaming.Progress(80)
        for _ in range(4):
            progress.step(5.5)
    assert caplog.messages == ["11 of 80 frames, 1/s, 69 s left", "22 of 80 frames, 1/s, 58 s left"]


MEMORY = """
import json, sys
import numpy as np
from brightcell.inference import streaming, tiling
from brightcell.io import stacks

side, whole = 4800, sys.argv[2] == "whole"
frame = np.tile(np.arange(600, dtype=np.uint16).reshape(20, 30, 1), (side // 20, side // 30, 1))
predict = lambda tiles: np.repeat(tiles, 2, axis=-1)
predict.receptive_px = 20
recipe = {"percentiles": [0.5, 99.5], "levels": 3}
settings = {"tile": 256, "overlap": 32, "batch_size": 1, "symmetries": False}

def peak():
    return int(open("/proc/self/status").read().split("VmHWM:")[1].split()[0]) / 1024

before = peak()
if whole:
    page = stacks.to_uint16(tiling.predict_frame(predict, frame, recipe, settings))
    stacks.write_stack(sys.argv[1], [("frame", page)])
else:
    stacks.write_stack(sys.argv[1], streaming.predict_pages(predict, [("frame", frame)], recipe, settings))
print(json.dumps(peak() - before))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_memory_is_bounded_by_rows_of_tiles(tmp_path):
    took = {}
    for way in ("whole", "streamed"):
        done = subprocess.run(
            [sys.executable, "-c", textwrap.dedent(MEMORY), tmp_path / f"{way}.tif", way],
            env={"PYTHONPATH": str(SCRIPTS), "OMP_NUM_THREADS": "1"},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        took[way] = json.loads(done.stdout)
    maps = 4800 * 4800 * 2 * 4 / 2**20  # float32 maps of the whole frame
    assert took["whole"] > maps, "the bound below could be missed"
    assert took["streamed"] < maps / 2
    streamed, whole = (stacks.read_stack(tmp_path / f"{way}.tif")["frame"] for way in ("streamed", "whole"))
    np.testing.assert_array_equal(streamed, whole)


def test_symmetries_need_no_more_memory(tmp_path):
    peaks = {}
    for symmetries in (False, True):
        settings = SETTINGS | {"tile": 256, "symmetries": symmetries}
        pages = streaming.predict_pages(two_maps, frames((1500, 1500, 1)), RECIPE, settings)
        tracemalloc.start()
        stacks.write_stack(tmp_path / "s.tif", pages)
        peaks[symmetries] = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert peaks[True] < 1.2 * peaks[False]
