"""Look for a GPU where trainings will run, before the first of them."""

import os

from brightcell import files, preflight
from brightcell.errors import InputError
from brightcell.jobs import job


def main(wanted: str, finding: str, log) -> None:
    """Write what was found; raise InputError where the config wants a GPU and none can be used."""
    told = preflight.report(preflight.look(), wanted)
    if told["device"] == "gpu":
        log.info("GPU: %s", ", ".join(told["seen"]))
    elif wanted == "gpu":
        raise InputError(
            f"training.device is gpu, but on {os.uname().nodename} {told['reason']} Or set training.device to cpu, or to "
            "auto: it takes a GPU where there is one."
        )
    else:
        tell = log.warning if told["slurm_job"] else log.info  # on a cluster a GPU was asked for
        tell("%s: no GPU, the networks train on CPUs: %s", os.uname().nodename, told["reason"])
    files.write_json(told, finding)


if __name__ == "__main__":
    with job(snakemake.log[0]) as log:
        main(snakemake.params.device, snakemake.output[0], log)
