"""Predict frame by frame while the next frame is read and the previous one is written."""

import itertools
import logging
import queue
import threading
import time
from collections.abc import Iterable, Iterator
from typing import Any, TypeVar

import numpy as np

from brightcell.io import stacks

from . import tiling

logger = logging.getLogger("brightcell")

Item = TypeVar("Item")
EVERY_S = 10  # seconds between messages on progress


def ahead(items: Iterable[Item], depth: int = 1) -> Iterator[Item]:
    """Yield the items of an iterable, which a thread fetches meanwhile, at most `depth` ahead of the one in use.

    An error in the thread is raised here, after the items before it. If the consumer stops early, so does the
    thread, at its next item.
    """
    done: queue.SimpleQueue = queue.SimpleQueue()
    room, stopped, end = threading.Semaphore(depth), threading.Event(), object()

    def take() -> None:
        iterator = iter(items)
        try:
            while room.acquire() and not stopped.is_set():
                item = next(iterator, end)
                done.put((item, None))
                if item is end:
                    break
                del item
        except BaseException as error:  # raised again in the thread that waits for the item
            done.put((end, error))
        finally:
            if hasattr(iterator, "close"):
                iterator.close()

    thread = threading.Thread(target=take, name="ahead", daemon=True)
    thread.start()
    try:
        while True:
            item, error = done.get()
            if error is not None:
                raise error
            if item is end:
                return
            room.release()
            yield item
            del item
    finally:
        stopped.set()
        room.release()
        thread.join()


class Progress:
    """Log the progress of a long computation, every ten seconds.

    total : number of frames, None if unknown; what : the word for them
    """

    def __init__(self, total: int | None, what: str = "frames"):
        self.total, self.what, self.done = total, what, 0.0
        self._start = self._logged = time.perf_counter()

    def step(self, share: float = 1.0) -> None:
        """Add a frame, or a share of one."""
        self.done += share
        now = time.perf_counter()
        if now - self._logged < EVERY_S:
            return
        self._logged = now
        rate = self.done / (now - self._start)
        if self.total is None:
            logger.info("%.4g %s, %.3g/s", self.done, self.what, rate)
        else:
            left = (self.total - self.done) / rate
            logger.info("%.4g of %d %s, %.3g/s, %.0f s left", self.done, self.total, self.what, rate, left)


def predict_maps(
    predict: tiling.Predict,
    frames: Iterable[tuple[Any, np.ndarray]],
    recipe: dict,
    settings: dict,
    total: int | None = None,
) -> Iterator[tuple[Any, np.ndarray]]:
    """Yield (key, maps) for (key, frame) pairs, see `tiling.predict_frame`.

    One thread reads the next frame and another predicts while the caller works on the previous maps; errors of both are
    raised here. At most three frames and the maps of two are in memory. total is the number of frames, for the log.
    """
    progress = Progress(total)

    def predicted() -> Iterator[tuple[Any, np.ndarray]]:
        for key, frame in ahead(frames):
            yield key, tiling.predict_frame(predict, frame, recipe, settings)
            progress.step()

    return ahead(predicted())


def predict_pages(
    predict: tiling.Predict,
    frames: Iterable[tuple[str, np.ndarray]],
    recipe: dict,
    settings: dict,
    total: int | None = None,
) -> Iterator[tuple[str, np.ndarray | stacks.Bands]]:
    """Yield pages for `stacks.write_stack`: name and uint16 maps of each (name, frame), by rows as they are finished.

    Besides the frame and the next one, memory is that of some rows of tiles. Every page must be consumed before the next
    one is requested.
    """
    progress = Progress(total)

    def bands() -> Iterator[tuple[tuple, np.ndarray]]:
        for number, (name, frame) in enumerate(ahead(frames)):
            for band in tiling.frame_bands(predict, frame, recipe, settings):
                yield (number, name, *frame.shape[:2]), stacks.to_uint16(band)
                progress.step(len(band) / len(frame))

    for (_, name, height, width), group in itertools.groupby(
        ahead(bands(), depth=2), key=lambda item: item[0]
    ):
        rows = (band for _, band in group)
        first = next(rows)
        shape = (height, width, *first.shape[2:])
        if len(first) == height:
            yield name, first
            continue
        yield name, stacks.Bands(shape, first.dtype, itertools.chain([first], rows))
