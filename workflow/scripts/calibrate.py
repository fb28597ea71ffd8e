"""Choose the watershed's parameters on the validation frames of one trained network."""

from brightcell import files
from brightcell.instances import calibration
from brightcell.io import stacks
from brightcell.jobs import job


def main(validation, truth, samples, parameters_file, table_file, options, symmetries) -> None:
    """Search the config's settings on validation predictions; test frames are never read here.

    `symmetries` tells how the predictions were made, for those who predict more.
    """
    maps = stacks.open_maps(validation)
    rows = files.read_table(samples)
    rows = rows[rows["sample"].isin(list(maps))]
    labels = stacks.open_groups(truth, rows["group"])

    def frames():
        return ((labels[name], *of_frame) for name, of_frame in maps.items())

    options = options | {"score": calibration.score_for(options["score"], rows)}
    told, tried = calibration.calibrate_markers(frames, options)
    files.write_table(tried, table_file)
    files.write_json(told | {"symmetries": symmetries}, parameters_file)


if __name__ == "__main__":
    with job(snakemake.log[0]):
        main(
            snakemake.input.validation,
            stacks.listed_groups(snakemake.input.prepared, "truth"),
            snakemake.input.samples,
            snakemake.output.parameters,
            snakemake.output.table,
            snakemake.params.watershed,
            snakemake.params.symmetries,
        )
