"""List the SLURM jobs that an ended Snakemake left running in this folder, and cancel them with --cancel."""

import argparse
from pathlib import Path

from brightcell.compute import slurm
from brightcell.errors import command


def main(folder: Path, cancel: bool) -> None:
    """Print the jobs of a folder; cancel them on demand. Raises InputError where SLURM does not answer."""
    jobs = slurm.jobs_of(folder)
    if not jobs:
        print(f"{folder}: no job of this folder is in the queue.")
        return
    for job in jobs:
        print(f"{job.number}\t{job.state}\t{job.elapsed}\t{job.what}")
    if not cancel:
        print(
            f"{len(jobs)} job(s), submitted from {folder} by {len({job.run for job in jobs})} run(s) of Snakemake. "
            "A run that is still at work needs its own: end it first with Ctrl + C. "
            "`make leftovers CANCEL=yes` cancels all of them."
        )
        return
    slurm.ask("scancel", *(job.number for job in jobs))
    print(
        f"{len(jobs)} job(s) cancelled. Go on with the same command as before; if it says that the directory is"
    )
    print("locked, run it once with --unlock. Trainings go on from their saved state.")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=Path.cwd(), help="where Snakemake was started")
    parser.add_argument("--cancel", action="store_true", help="cancel the jobs")
    arguments = parser.parse_args()
    with command():
        main(arguments.folder.resolve(), arguments.cancel)
