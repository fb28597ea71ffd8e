# Where the jobs ran, and what they cost.

from brightcell.compute.accounting import jobs_behind


rule gather_jobs:
    """List where every job ran."""
    input:
        every_run("frames.tsv"),
        every_ensemble("expected.tsv"),
        "<results>/baseline.tsv",
        "<results>/comparison/summary.tsv",
    output:
        report(
            "<results>/jobs.tsv",
            caption="../report/jobs.rst",
            category="Jobs",
            labels={"table": "what ran where"},
        ),
    log:
        "<results>/logs/gather_jobs.log",
    benchmark:
        "<results>/benchmarks/gather_jobs.tsv"
    container:
        IMAGES["image"]
    resources:
        **SMALL,
    params:
        jobs=lambda wildcards: jobs_behind(own_rules(), GROUPS, RUNS),
    message:
        "List where the jobs ran"
    script:
        "../scripts/gather_jobs.py"


rule account:
    """Account for what the jobs asked for and used."""
    input:
        "<results>/jobs.tsv",
    output:
        report(
            "<results>/accounting.tsv",
            caption="../report/accounting.rst",
            category="Jobs",
            labels={"table": "requested and used"},
        ),
    log:
        "<results>/logs/account.log",
    benchmark:
        "<results>/benchmarks/account.tsv"
    localrule: True
    container:
        lambda wildcards: None  # SLURM's accounting answers where Snakemake was started
    resources:
        **SMALL,
    message:
        "Sum up time and memory"
    script:
        "../scripts/account.py"
