"""Which recordings and frames must not be drawn: what tests networks, and what has masks already."""

import os
from collections.abc import Iterable, Mapping

import pandas as pd


def frame_of(row: Mapping[str, str]) -> tuple[str, int, str]:
    """Return what identifies the frame of a row of a sheet: its file, whatever its path is called, page and scene."""
    page = row.get("page") or 0
    return os.path.realpath(row["image"]), int(page), row.get("scene") or ""


def annotated(recordings: Mapping[str, list[dict]], samples: pd.DataFrame) -> list[str]:
    """Return the samples of recordings whose frames have a mask in the sample sheet."""
    known = {frame_of(row) for row in samples.to_dict("records")}
    return [row["sample"] for rows in recordings.values() for row in rows if frame_of(row) in known]


def closed(
    recordings: Mapping[str, list[dict]], samples: pd.DataFrame, schemes: Iterable[str]
) -> dict[str, str]:
    """Return the recordings that are or share frames with groups which test or validate networks: recording → group.

    In the scheme `sheet` these are the groups with another `split` than train; in all others every group is tested in some
    fold.
    """
    held = samples if set(schemes) != {"sheet"} else samples[samples["split"] != "train"]
    groups = set(held["group"])
    group_of = {frame_of(row): row["group"] for row in held.to_dict("records")}
    found = {}
    for recording, rows in recordings.items():
        shared = (group_of.get(frame_of(row)) for row in rows)
        group = recording if recording in groups else next(filter(None, shared), None)
        if group:
            found[recording] = group
    return found
