# What is looked at before the first job of a run. The config's `guards` switches each off by its name.

import os
import shutil

from brightcell.compute import slurm
from snakemake.logging import logger


def guard_containers():
    """Refuse a missing, damaged or outdated image."""
    images = {job.container_img for job in workflow.dag.needrun_jobs()} - {None}
    for path in sorted(str(each.path) for each in images):
        containers.verify(ROOT, path)


def guard_contestants():
    """Refuse to start where a tool that will run has no environment, or an outdated one."""
    if IN_CONTAINERS:
        return
    names = {
        job.wildcards.network
        for job in workflow.dag.needrun_jobs()
        if job.rule.name in ("train_contestant", "predict_contestant")
    }
    for tool in sorted({TOOLS[name] for name in names}):
        contestants.check_environment(ROOT, tool)


def guard_results_folder():
    """Refuse folders of results and of temporary files that cannot be written to."""
    files.check_writable(result(""))
    files.check_temporary()


def guard_leftovers():
    """Refuse to start while SLURM jobs of a run that was killed still work in this folder, or may do so."""
    try:
        left = slurm.jobs_of(Path.cwd()) if shutil.which("squeue") else []
    except InputError as error:
        unknown = (
            "whether jobs of an earlier run still work in this folder is not known"
        )
        if not on_slurm():  # SLURM may be installed and not run
            logger.warning(f"SLURM does not answer: {unknown}.")
            return
        raise InputError(
            f"{unknown}: {error} Start again when SLURM answers."
        ) from None
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


def guard_copies():
    """Refuse to train again what is there, where copying the project has given its files new times."""
    here, memory = str(Path(result("")).resolve()), ".snakemake/brightcell/places.json"
    places = files.read_json(memory) if Path(memory).is_file() else {}
    jobs, why = list(workflow.dag.needrun_jobs()), workflow.dag.reason
    newer = any(why(job).updated_input for job in jobs)
    again = [
        job
        for job in jobs
        if job.rule.name in ("train_network", "train_contestant")
        and (why(job).updated_input or why(job).updated_input_run)
        and not why(job).params_changed
        and all(Path(str(each)).exists() for each in job.output)
    ]
    before = places.get(DATASET, here)
    if newer and again and before != here and not workflow.touch:
        configs = "".join(f" {os.path.relpath(each)}" for each in workflow.configfiles)
        raise InputError(
            f"{here}: {len(again)} trainings are there and would run again, because files that they read are newer. The last "
            f"run worked in {before}: was the folder copied? `cp -r` gives files new times; `cp -a` and `rsync -a` keep them. "
            f"Expected results that are older than nothing they are made of. If no image, mask or setting changed since: "
            f"`snakemake --touch --configfile{configs} --cores 1`, then start again. To train again: `guards: {{copies: "
            "false}` in the config."
        )
    files.write_json(places | {DATASET: here}, memory)


def tell_foreign_packages():
    """Warn of packages that PYTHONPATH puts in place of those that the project pins."""
    if FIRST_READING and (foreign := provenance.packages_from_pythonpath()):
        logger.warning(
            f"PYTHONPATH: {', '.join(foreign)} are taken in place of the packages that this project pins, and may not fit "
            "them. `unset PYTHONPATH`, unless you mean it."
        )


def stay_in_the_allocation():
    """Run no more jobs side by side than a SLURM job has cores: `jobs` of the profile counts as cores on one machine."""
    asked = workflow.resource_settings.cores
    if FIRST_READING and asked and workflow.resource_settings.nodes is None:
        given = slurm.allocated(asked)
        if given < asked:
            logger.warning(
                f"{asked} cores were asked for; this SLURM job has {given}, which are taken."
            )
            workflow.register_resource("_cores", given)


def on_slurm():
    """Tell whether jobs are submitted to SLURM."""
    return workflow.executor_plugin.name == "slurm"


def refuse_unsubmittable():
    """Refuse what Snakemake's SLURM plugin would neither submit nor complain of."""
    for name, job in jobs_for_slurm().items():
        from snakemake_executor_plugin_slurm import submit_string, validation

        slurm.check_submission(name, job, validation, submit_string)


def jobs_for_slurm():
    """Return a job of each rule that is submitted to SLURM, by the rule's name."""
    if not on_slurm():
        return {}
    return {
        job.rule.name: job for job in workflow.dag.needrun_jobs() if not job.is_local
    }


GUARDS = {
    "containers": guard_containers,
    "contestants": guard_contestants,
    "results_folder": guard_results_folder,
    "leftovers": guard_leftovers,
    "requests": guard_requests,
    "copies": guard_copies,
}


onstart:
    try:
        refuse_unsubmittable()
        for name, guard in GUARDS.items():
            if config["guards"][name]:
                guard()
    except InputError as error:
        raise WorkflowError(str(error)) from None
    files.sweep(result(""))
    announce()


stay_in_the_allocation()
tell_foreign_packages()


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
            *(path for found in LABELS.values() for path in found.values()),
            *(
                [Path(files.expand(config["correct"]["folder"]), "any")]
                if config["correct"]["folder"]
                else []
            ),
            *(
                (
                    Path(entry["weights"], "any")
                    if Path(entry["weights"]).is_dir()
                    else entry["weights"]
                )
                for entry in contestants.running(config).values()
                if entry["weights"]
            ),
        ],
        visible=[Path.cwd()],
    )
