"""Look for a GPU where trainings will run, before the first of them."""

import os

from brightcell import files, jobs
from brightcell.compute import preflight
from brightcell.errors import InputError


def main(wanted: str, finding: str, log) -> None:
    """Write what was found; raise InputError where the config wants a GPU, or SLURM gave one, and none can be used."""
    told = preflight.report(preflight.look(), wanted)
    jobs.tell(device=told["device"])
    if told["device"] == "gpu":
        log.info("GPU: %s", ", ".join(told["seen"]))
    elif wanted == "gpu" or told["allocated"]:
        why = "the profile asked SLURM for a GPU" if told["allocated"] else "compute.device is gpu"
        raise InputError(
            f"{why}, but none can be used on {os.uname().nodename}: {told['reason']} Or run on CPUs: compute.device: cpu "
            "in the config, and on a cluster no GPUs in the profile."
        )
    else:
        # whoever runs on a cluster may have forgotten to ask for one
        tell = log.warning if told["slurm_job"] else log.info
        tell("%s: no GPU, the networks train on CPUs: %s", os.uname().nodename, told["reason"])
    files.write_json(told, finding)


if __name__ == "__main__":
    with jobs.job(snakemake.log[0]) as log:
        main(snakemake.params.device, snakemake.output[0], log)
