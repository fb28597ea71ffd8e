"""Measure how long a step of training takes here, and say how long all trainings of the config will take."""

from pathlib import Path

from brightcell import files
from brightcell.compute import backend, pace
from brightcell.jobs import job
from brightcell.training import data


def main(samples: Path, out: Path, params, threads: int, log) -> None:
    """Write the seconds of a step of each network; params : network, training, compute, plan, at_once."""
    table = files.read_table(samples)
    _, shape = data.shape_of(params.network, table)
    precision = backend.start(threads, **params.compute)
    from brightcell.training.pace import step_seconds

    plan = pace.Plan(**params.plan)
    channels = int(table["channels"].iloc[0])
    found = {name: step_seconds(name, shape, params.training, channels, precision) for name in plan.networks}
    log.info("seconds a step: %s", ", ".join(f"{name} {value:.3g}" for name, value in found.items()))
    log.warning("%s", pace.estimate(plan, found, params.at_once))  # a warning is seen on the terminal
    files.write_json({name: float(f"{value:.4g}") for name, value in found.items()}, out)


if __name__ == "__main__":
    with (
        job(snakemake.log[0]) as log,
        backend.memory_advice("training", snakemake.params.training, snakemake.params.network["levels"]),
    ):
        main(
            Path(snakemake.input.samples),
            Path(snakemake.output[0]),
            snakemake.params,
            snakemake.threads,
            log,
        )
