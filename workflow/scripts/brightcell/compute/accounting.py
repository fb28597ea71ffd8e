"""Account for a study's jobs: how long they waited and ran, what they requested and what they used."""

import re
from collections.abc import Iterable

import numpy as np
import pandas as pd

from brightcell.errors import InputError

from . import slurm

# Fields that sacct is asked for; it prints a row for each job and one for each of its steps.
FIELDS = (
    "JobIDRaw",
    "State",
    "Submit",
    "Start",
    "End",
    "ElapsedRaw",
    "TotalCPU",
    "AllocTRES",
    "ReqTRES",
    "MaxRSS",
)
COLUMNS = [
    *("job", "rules", "models", "state", "wait_s", "run_s", "cpus", "cpu_hours_requested", "cpu_hours_used"),
    *("memory_mb_requested", "memory_mb_used", "gpus", "gpu_hours_requested", "gpu_hours_used"),
]
# They run after the table of jobs is made.
AFTERWARDS = ("gather_jobs", "account", "report")
UNITS = {"": 1 / 1024**2, "K": 1 / 1024, "M": 1, "G": 1024, "T": 1024**2}


def jobs_behind(rules: Iterable, groups: list[str], trainings: list[dict]) -> list[dict]:
    """Return the jobs behind a comparison: rule, wildcards, log and benchmark of each.

    rules : Snakemake's rules. Those with a benchmark count whose wildcards are none, a group's, a training's, or scheme and
    network of trainings.
    """
    networks = dict.fromkeys((each["scheme"], each["network"]) for each in trainings)
    units: list[list[dict]] = [
        [{}],
        [{"group": group} for group in groups],
        [{"scheme": scheme, "network": network} for scheme, network in networks],
        trainings,
    ]
    return [
        {
            "rule": rule.name,
            "wildcards": values,
            "log": str(rule.log[0]).format(**values),
            "benchmark": str(rule.benchmark).format(**values),
        }
        for rule in rules
        if rule.benchmark and rule.name not in AFTERWARDS
        for unit in units
        if unit and rule.wildcard_names == set(unit[0])
        for values in unit
    ]


def submitted(jobs: pd.DataFrame) -> dict[str, str]:
    """Return the rules that ran in the SLURM jobs of all attempts, by job number.

    jobs : jobs.tsv, with the columns rule and slurm_jobs. A SLURM job that ended before a rule began is not known.

    >>> submitted(pd.DataFrame({"rule": ["train_network", "score_frames"], "slurm_jobs": ["11 12", "12"]}))
    {'11': 'train_network', '12': 'train_network, score_frames'}
    """
    found: dict[str, dict[str, None]] = {}
    for rule, numbers in zip(jobs["rule"], jobs["slurm_jobs"].fillna(""), strict=True):
        for number in str(numbers).split():
            found.setdefault(number, {})[rule] = None
    return {number: ", ".join(found[number]) for number in sorted(found, key=int)}


def seconds(text: str) -> float:
    """Convert a duration as SLURM writes it to seconds.

    >>> seconds("1-02:03:04.5"), seconds("02:03"), seconds("")
    (93784.5, 123.0, nan)
    """
    found = re.fullmatch(r"(?:(\d+)-)?(?:(\d+):)?(\d+):(\d+(?:\.\d+)?)", text.strip())
    if not found:
        return float("nan")
    days, hours, minutes, rest = (float(part or 0) for part in found.groups())
    return days * 86400 + hours * 3600 + minutes * 60 + rest


def megabytes(text: str) -> float:
    """Convert an amount of memory as SLURM writes it to megabytes.

    >>> megabytes("1.5G"), megabytes("2048K"), megabytes("")
    (1536.0, 2.0, nan)
    """
    found = re.fullmatch(r"([\d.]+)([KMGT]?)[nc]?", text.strip())
    return float(found[1]) * UNITS[found[2]] if found else float("nan")


def resources(text: str) -> tuple[float, float, float]:
    """Return CPUs, memory in MB and GPUs of a job's trackable resources; nan for those not named.

    >>> resources("billing=4,cpu=4,gres/gpu:a100=1,gres/gpu=1,mem=8000M,node=1")
    (4.0, 8000.0, 1.0)
    """
    named = dict(part.split("=", 1) for part in text.split(",") if "=" in part)
    typed = [float(number) for name, number in named.items() if name.startswith("gres/gpu:")]
    return (
        float(named.get("cpu", "nan")),
        megabytes(named.get("mem", "")),
        float(named.get("gres/gpu", sum(typed) if typed else "nan")),
    )


def parse(printed: str) -> pd.DataFrame:
    """Return a table of COLUMNS from the output of `sacct --parsable2 --noheader` for FIELDS; `runs` is left empty.

    If no job has GPUs, they may not have been given or the site's accounting may leave them out: nan.
    """
    rows: dict[str, dict] = {}
    peaks: dict[str, float] = {}
    for line in printed.splitlines():
        values = dict(zip(FIELDS, line.split("|"), strict=False))
        number, _, step = values["JobIDRaw"].partition(".")
        if len(values) < len(FIELDS) or not number.isdigit():
            continue
        peaks[number] = np.fmax(peaks.get(number, np.nan), megabytes(values["MaxRSS"]))
        if step:
            continue
        cpus, memory, gpus = resources(values["AllocTRES"] or values["ReqTRES"])
        run = float(values["ElapsedRaw"] or "nan")
        submit, start = (pd.to_datetime(values[name], errors="coerce") for name in ("Submit", "Start"))
        rows[number] = {
            "job": number,
            "state": values["State"].split(" ")[0],
            "wait_s": (start - submit).total_seconds() if run else np.nan,
            "run_s": run,
            "cpus": cpus,
            "cpu_hours_requested": cpus * run / 3600,
            "cpu_hours_used": seconds(values["TotalCPU"]) / 3600,
            "memory_mb_requested": memory,
            "gpus": gpus,
        }
    table = pd.DataFrame(rows.values(), columns=COLUMNS)
    if table["gpus"].notna().any():
        table["gpus"] = table["gpus"].fillna(0)
    table["gpu_hours_requested"] = table["gpus"] * table["run_s"] / 3600
    table["memory_mb_used"] = table["job"].map(peaks).astype(float)
    return table


def ask(numbers: list[str], timeout: float = 60) -> tuple[pd.DataFrame, str]:
    """Ask sacct about jobs; return the table of `parse`, and why it is empty."""
    if not numbers:
        return parse(""), "no job was submitted to SLURM"
    try:
        printed = slurm.ask(
            "sacct", "--parsable2", "--noheader", "--jobs", ",".join(numbers), "--format", ",".join(FIELDS),
            timeout=timeout,
        )  # fmt: skip
    except InputError as error:
        return parse(""), str(error)
    table = parse(printed)
    return table, "" if len(table) else "sacct: it remembers none of these jobs"


def account(jobs: pd.DataFrame, asked: pd.DataFrame, rules: dict[str, str]) -> pd.DataFrame:
    """Join SLURM's accounting of its jobs with what the rules measured.

    Parameters
    ----------
    jobs : pandas.DataFrame
        jobs.tsv: rule, network, fold, seed, seconds, cpu_percent, memory_mb, slurm_job and device of each job's last
        attempt.
    asked : pandas.DataFrame
        From `ask`. If it is empty, the measurements take its place, and the requested resources are unknown.
    rules : dict
        From `submitted`.

    Returns
    -------
    pandas.DataFrame
        COLUMNS, one row per SLURM job. A GPU counts as used while a rule computed on it; nan for attempts before the
        last, which were not measured. Without SLURM, one row per job of a rule.
    """
    jobs = jobs.assign(slurm_job=jobs["slurm_job"].fillna("").astype(str))
    lone = jobs["slurm_job"] == ""
    keys = jobs["slurm_job"].where(~lone, [f"here {place}" for place in range(len(jobs))])
    own = pd.DataFrame([_measured(part) for _, part in jobs.groupby(keys, sort=False)], columns=COLUMNS)
    if not rules:
        return own
    own = own[own["job"] != ""].set_index("job")
    known = asked.set_index("job")
    every = list(dict.fromkeys([*rules, *own.index]))
    table = known.reindex(every).astype(object).combine_first(own.reindex(every).astype(object))
    never = (table[["gpus", "run_s"]] == 0).any(axis=1)
    table["gpu_hours_used"] = table["gpu_hours_used"].mask(table["gpu_hours_used"].isna() & never, 0)
    table["rules"] = table["rules"].fillna(pd.Series(rules))
    table[["models", "state"]] = table[["models", "state"]].fillna("")
    return table.reset_index(names="job")[COLUMNS].infer_objects()


def _measured(part: pd.DataFrame) -> dict:
    """Return the row of one SLURM job, added up from what its rules measured."""
    took = part["seconds"].astype(float)
    models = part.loc[part["network"].fillna("") != "", ["network", "fold", "seed"]].drop_duplicates()
    return {
        "job": part["slurm_job"].iloc[0],
        "rules": ", ".join(dict.fromkeys(part["rule"])),
        "models": ", ".join(
            f"{row.network} fold {row.fold:g} seed {row.seed:g}" for row in models.itertuples()
        ),
        "run_s": took.sum(),
        "cpu_hours_used": (took * part["cpu_percent"].astype(float) / 100).sum() / 3600,
        "memory_mb_used": part["memory_mb"].astype(float).max(),
        "gpu_hours_used": took[part["device"] == "gpu"].sum() / 3600,
    }


def summarise(table: pd.DataFrame) -> pd.DataFrame:
    """Add up SLURM jobs that ran the same rules, for the report; no rows if nothing ran through SLURM."""
    table = table[table["job"] != ""]
    if table.empty:
        return pd.DataFrame()
    ended = table["state"].isin(["COMPLETED", "RUNNING", ""])
    by = table.assign(rules=table["rules"].where(ended, "attempts that failed")).groupby("rules", sort=False)
    return by.agg(
        jobs=("job", "size"),
        median_wait_s=("wait_s", "median"),
        longest_wait_s=("wait_s", "max"),
        run_hours=("run_s", lambda values: values.sum() / 3600),
        **{name: (name, lambda values: values.sum(skipna=False)) for name in COLUMNS if "_hours_" in name},
        memory_mb_requested=("memory_mb_requested", "max"),
        memory_mb_used=("memory_mb_used", "max"),
    ).reset_index()


def summarise_jobs(jobs: pd.DataFrame) -> pd.DataFrame:
    """Add up the jobs of a rule and container image: rule, image, fingerprint, jobs, seconds, longest, memory_mb."""
    if jobs.empty:
        return jobs
    by = jobs.groupby(["rule", "image", "fingerprint"], sort=False, dropna=False)
    return by.agg(
        jobs=("seconds", "size"),
        seconds=("seconds", "sum"),
        longest=("seconds", "max"),
        memory_mb=("memory_mb", "max"),
    ).reset_index()
