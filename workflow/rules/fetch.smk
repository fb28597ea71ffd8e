# From an archive elsewhere to images and a sample sheet, once, before anything else.


# Without output files (a benchmark would be one) it is run whenever it is asked for, and leaves alone what is there:
# Snakemake would delete a sheet that a user has edited before it made it again.
rule fetch:
    """Get the archive of images that the config names, and make its sample sheet."""
    log:
        result("logs/fetch.log"),
    localrule: True
    container:
        IMAGES["image"]
    resources:
        **LARGE,
    params:
        archive=lookup(dpath="archive", within=config),
        sheet=SHEET,
    message:
        "Get the images"
    script:
        "../scripts/fetch.py"
