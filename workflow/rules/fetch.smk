# From an archive elsewhere to images and a sample sheet: `snakemake fetch`, once, before anything else.


# Without output files (a benchmark would be one) it is run whenever it is asked for, and leaves alone what is there:
# Snakemake would delete a sheet that a user has edited before it made it anew.
rule fetch:
    log:
        result("logs/fetch.log"),
    localrule: True
    container:
        image("image")
    threads: 1
    resources:
        mem_mb=megabytes(1000),
        runtime=minutes(240),
    params:
        archive=lookup(dpath="archive", within=config),
        sheet=SHEET,
        code=code("fetch.py"),
    message:
        "Get the archive of images"
    script:
        "../scripts/fetch.py"
