"""Choose the watershed's parameters on the validation frames of one trained network."""

from pathlib import Path

from brightcell import files
from brightcell.instances import calibration
from brightcell.io import stacks
from brightcell.jobs import job


def main(validation, truth, samples, parameters_file, table_file, options, log, symmetries=False):
    """Search the config's settings on validation predictions; test frames are never read here.

    Where the network learned the distance to the cell's edge, the watershed from the foreground alone is calibrated
    too, for the comparison of both. `symmetries` tells how the predictions were made, for those who predict more.
    """
    maps = stacks.open_maps(validation)
    samples = files.read_table(samples)
    rows = samples[samples["sample"].isin(list(maps))]
    if (rows["mask_type"] != "instances").any() and options["score"] not in ("cell_iou", "cell_dice"):
        log.info(
            "score: cell_iou in place of %s, because the masks do not tell touching cells apart",
            options["score"],
        )
        options = {**options, "score": "cell_iou"}
    group = rows.set_index("sample")["group"]
    path_of = {Path(path).parent.name: path for path in truth}
    labels = {name: stacks.Pages(path_of[name]) for name in group.unique()}

    def frames():
        for name, (foreground, distance) in maps.items():
            yield labels[group[name]][name], foreground, distance

    size = calibration.typical_size(true for true, _, _ in frames())
    log.info("typical cell: %.1f px from middle to edge, %.0f px² (median of %d)", *size)
    learned = next(iter(maps.values()))[1] is not None
    found = {"learned": calibration.calibrate(frames, options, size)} if learned else {}
    found["foreground"] = calibration.calibrate(frames, options, size, learned=False)
    for markers, each in found.items():
        log.info(
            "markers from the %s: best of %d settings: %s (%s %.3f on %d frames)",
            "learned distance" if markers == "learned" else "foreground",
            *(len(each.table), each.parameters, options["score"], each.value, len(maps)),
        )
    best = found["learned" if learned else "foreground"]
    files.write_table(best.table, table_file)
    files.write_json(
        {
            "parameters": best.parameters,
            "score": options["score"],
            "value": best.value,
            "frames": len(maps),
            "symmetries": symmetries,
            "typical_cell": size._asdict(),
            "markers": "learned" if learned else "foreground",
            "foreground": {"parameters": found["foreground"].parameters, "value": found["foreground"].value},
        },
        parameters_file,
    )


if __name__ == "__main__":
    with job(snakemake.log[0]) as log:
        main(
            snakemake.input.validation,
            snakemake.input.truth,
            snakemake.input.samples,
            snakemake.output.parameters,
            snakemake.output.table,
            snakemake.params.watershed,
            log,
            snakemake.params.symmetries,
        )
