"""Names of the files that the simulator writes, and the sheet that lists them."""

from pathlib import Path

import pandas as pd

from brightcell.errors import InputError


def simulated_files(options: dict, kind: str, sequence: int | str) -> list[str]:
    """Return the files that the simulator writes for a sequence; kind is `images` or `masks`."""
    frames = range(options["frames"])
    return [f"{options['folder']}/{kind}/sequence{sequence}_{frame:02d}.tif" for frame in frames]


def check_simulated(samples: pd.DataFrame, options: dict, source: str | Path) -> None:
    """Raise InputError if a sheet of simulated images does not list exactly the files that the simulator writes."""
    made = {
        name
        for kind in ("images", "masks")
        for sequence in range(1, options["sequences"] + 1)
        for name in simulated_files(options, kind, sequence)
    }
    named = {*samples["image"], *samples["mask"]}
    for wrong, fault in (
        (sorted(named - made), "is not simulated"),
        (sorted(made - named), "is not in the sheet"),
    ):
        if wrong:
            raise InputError(
                f"{source}: {wrong[0]} {fault}, and {len(wrong) - 1} others. The config's key simulate makes "
                f"{options['sequences']} sequences of {options['frames']} frames in {options['folder']}: "
                "correct it, or the sheet."
            )
