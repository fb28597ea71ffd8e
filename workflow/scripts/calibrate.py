"""Choose the watershed's parameters on the validation frames of one trained network."""

from brightcell import calibration, files, images
from brightcell.jobs import job


def main(validation, truth, samples, parameters_file, table_file, options, log):
    """Try the config's settings on validation predictions; test frames are never read here."""
    samples = files.read_table(samples)
    maps = {name: images.from_uint16(page) for name, page in images.iterate_stack(validation)}
    rows = samples[samples["sample"].isin(maps)]
    truths = images.read_named(truth, rows)
    score = options["score"]
    if (rows["mask_type"] != "instances").any() and score not in ("cell_iou", "cell_dice"):
        log.info("score: cell_iou in place of %s, because the masks do not tell touching cells apart", score)
        score = "cell_iou"
    frames = [(truths[name][..., 0], *images.split_maps(page)) for name, page in maps.items()]
    table = calibration.calibrate(frames, {**options, "score": score})
    best = table.iloc[0].to_dict()
    value = best.pop("value")
    log.info("best of %d settings: %s (%s %.3f on %d frames)", len(table), best, score, value, len(frames))
    files.write_table(table, table_file)
    files.write_json(
        {"parameters": best, "score": score, "value": value, "frames": len(frames)}, parameters_file
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
        )
