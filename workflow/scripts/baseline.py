"""Score the floor that a network must beat: local contrast and Otsu's threshold, no learning."""

import pandas as pd

from brightcell import files
from brightcell.instances import labelling
from brightcell.io import stacks
from brightcell.jobs import job
from brightcell.metrics import registry

WINDOWS_PX = (3, 5, 9, 15, 25)


def main(frames, truth, samples, table_file, log):
    """Write a row a frame with the pixel scores of the window whose mean cell Dice is best.

    The window is chosen on the frames that are scored: the threshold is given every advantage.
    """
    rows = files.read_table(samples)
    group_of = rows.set_index("sample")["group"]
    scores = [
        {
            "sample": name,
            "group": group_of[name],
            "window_px": window,
            **registry.pixel_scores(label[..., 0], labelling.local_contrast_foreground(frame, window)),
        }
        for (name, frame), (_, label) in zip(
            stacks.iterate_named(frames, rows), stacks.iterate_named(truth, rows), strict=True
        )
        for window in WINDOWS_PX
    ]
    table = pd.DataFrame(scores)
    best = table.groupby("window_px")["cell_dice"].mean().idxmax()
    table = table[table["window_px"] == best]
    log.info(
        "local contrast in %d px + Otsu: mean cell Dice %.3f over %d frames",
        *(best, table["cell_dice"].mean(), len(table)),
    )
    files.write_table(table, table_file)


if __name__ == "__main__":
    with job(snakemake.log[0]) as log:
        main(
            stacks.listed_groups(snakemake.input.prepared, "frames"),
            stacks.listed_groups(snakemake.input.prepared, "truth"),
            snakemake.input.samples,
            snakemake.output[0],
            log,
        )
