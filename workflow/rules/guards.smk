# What is looked at before the first job of a run. The config's `guards` switches each off by its name.

import shutil

from brightcell.compute import slurm
from snakemake.logging import logger
from snakemake.settings.types import DeploymentMethod


def guard_containers():
    """Refuse a missing, damaged or outdated image."""
    images = {job.container_img for job in workflow.dag.needrun_jobs()} - {None}
    for path in sorted(str(each.path) for each in images):
        containers.verify(ROOT, path)


def guard_results_folder():
    """Refuse a results folder that cannot be written to."""
    files.check_writable(result(""))


def guard_leftovers():
    """Refuse to start while SLURM jobs of a run that was killed still work in this folder, or may do so."""
    try:
        left = slurm.jobs_of(Path.cwd()) if shutil.which("squeue") else []
    except InputError as error:
        unknown = f"whether jobs of an earlier run still work in this folder is not known: {error}"
        if not on_slurm():  # SLURM may be installed and not run
            logger.warning(unknown)
            return
        raise InputError(f"{unknown} Start again when SLURM answers.") from None
    if left:
        listed = ", ".join(f"{job.number} ({job.what})" for job in left[:5])
        raise InputError(
            f"{Path.cwd()}: jobs of an earlier run are still in SLURM's queue, {len(left)} in all: {listed}. Expected none, "
            "because two jobs must not write one file. Wait for their end, or cancel them: `make leftovers CANCEL=yes`; "
            "trainings go on from their saved state. If a run of another config is at work here: "
            "`guards: {leftovers: false}` in the config."
        )


def guard_requests():
    """Refuse what SLURM would refuse, one job a rule: of a group Snakemake says only that it failed."""
    jobs = jobs_for_slurm()
    asked = {slurm.options(job.resources): name for name, job in jobs.items()}
    for options, name in asked.items():
        slurm.check_request(name, options)


def on_slurm():
    """Tell whether jobs are submitted to SLURM."""
    return workflow.executor_plugin.name == "slurm"


def jobs_for_slurm():
    """Return a job of each rule that is submitted to SLURM, by the rule's name."""
    if not on_slurm():
        return {}
    return {
        job.rule.name: job for job in workflow.dag.needrun_jobs() if not job.is_local
    }


GUARDS = {
    "containers": guard_containers,
    "results_folder": guard_results_folder,
    "leftovers": guard_leftovers,
    "requests": guard_requests,
}


onstart:
    try:
        for name, job in jobs_for_slurm().items():
            slurm.check_submission(name, job)
        for name, guard in GUARDS.items():
            if config["guards"][name]:
                guard()
    except InputError as error:
        raise WorkflowError(str(error)) from None
    files.sweep(result(""))


# Containers see the folders of images and results that lie outside the working folder.
if DeploymentMethod.APPTAINER in workflow.deployment_settings.deployment_method:
    containers.bind(
        [
            *samples["image"],
            *samples["mask"],
            *recordings["image"],
            *([SHEET] if SHEET else []),
            ROOT / "workflow",
            Path("results/any").resolve(),
            *members("model.keras"),
        ],
        visible=[Path.cwd()],
    )
