# What a run says: on a terminal a display of its progress, at its end what was found, where it lies and how long it took.

import time

from brightcell import jobs
from brightcell.check.findings import summary

STARTED = time.monotonic()


def show_progress():
    """Draw the progress on a terminal; files, --quiet, --verbose and another --logger get Snakemake's lines."""
    lines = [each for each in logger.handlers if each.name == "DefaultStreamHandler"]
    asked = workflow.output_settings
    if (
        not (FIRST_READING and lines and sys.stderr.isatty())
        or asked.verbose
        or asked.dryrun
        or asked.stdout
        or {"all", "progress", "rules"} & {str(each) for each in asked.quiet or ()}
    ):
        return
    try:
        from snakemake_logger_plugin_rich.handler import RichLogHandler
    except ImportError:  # a module of another workflow, with packages of its own
        return
    logger.removeHandler(lines[0])
    logger.addHandler(RichLogHandler(settings=asked))


def found():
    """Yield in words what the check found, if it was made."""
    findings, page = result("check/findings.tsv"), result("check/check.html")
    if Path(findings).is_file():
        first, *rest = summary(files.read_table(findings))
        yield "\n".join([f"The check: {first}", *rest])
        yield f"Look at the pictures: {Path(page).resolve()}"


def made():
    """Yield in words where the pages lie that were asked for."""
    rules = {job.rule.name for job in workflow.dag.jobs}
    if "check_frames" in rules:
        yield from found()
    if "preview_recording" in rules:
        pages = [Path(result(f"segmented/{name}/preview.html")) for name in RECORDINGS]
        more = f", and {len(pages) - 1} more beside it" if len(pages) > 1 else ""
        yield f"Look at the cells: {pages[0].resolve()}{more}"
    for maker, name, words in (
        ("suggest_crops", "suggest/suggest.html", "Crops to draw next"),
        ("take_corrections", "correct/changes.tsv", "What was corrected"),
        ("judge_retrained", "retrained/retrained.html", "Which network to use"),
    ):
        if maker in rules:
            yield f"{words}: {Path(result(name)).resolve()}"
    if "report" in rules:
        yield f"The report: {Path(result('report.html')).resolve()}"


def say_what_is_there(record):
    """Add to Snakemake's word that nothing is to be done what is there already."""
    if str(record.msg).startswith("Nothing to be done"):
        record.msg = "\n".join([record.msg, *made()])
    return True


def announce():
    """Say how many trainings there will be, and how long they take if that was measured."""
    if not any(job.rule.name == "train_network" for job in workflow.dag.needrun_jobs()):
        return
    measured = Path(result("pace.json"))
    plan = pace.plan_of(config)
    if measured.is_file():
        logger.info(pace.estimate(plan, files.read_json(measured), trainings_at_once()))
    else:
        logger.info(
            f"{pace.in_words(plan)}. `snakemake check` measures how long they take here."
        )


onsuccess:
    for line in made():
        logger.info(line)
    logger.info(f"Done in {jobs.duration(time.monotonic() - STARTED)}.")


onerror:
    if not Path(result("check/passed.txt")).is_file():
        for line in found():
            logger.error(line)
    logger.error(
        f"Stopped after {jobs.duration(time.monotonic() - STARTED)}. The first message above that begins with ERROR says "
        "why. When that is mended, the same command goes on from here."
    )


show_progress()
if FIRST_READING and not workflow.output_settings.dryrun:
    logger.addFilter(say_what_is_there)
