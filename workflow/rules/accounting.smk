# What the jobs cost. Runs where Snakemake was started, outside containers: SLURM's accounting answers there.


rule account:
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
    threads: 1
    resources:
        mem_mb=megabytes(500),
        runtime=minutes(5),
    params:
        code=code("account.py"),
    message:
        "Account for the jobs"
    run:
        told = account.main(
            input[0],
            Path(".snakemake/slurm_logs"),
            wildcards.dataset,
            output[0],
        )
        Path(log[0]).write_text(told + "\n")
