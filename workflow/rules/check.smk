# Faults in images and masks, found before anything is trained on them.


rule check:
    """Look for faults in the images and masks; stop where there are errors."""
    input:
        "<results>/check/passed.txt",
        "<results>/check/findings.tsv",
        pace_if_here(),


rule check_frames:
    """List the faults of all frames and masks, and show them on a page."""
    input:
        prepared="<results>/prepared.tsv",
        samples="<results>/samples.tsv",
    output:
        findings=report(
            "<results>/check/findings.tsv",
            caption="../report/findings.rst",
            category="Data",
            subcategory="Check",
            labels={"result": "findings, table"},
        ),
        frames="<results>/check/frames.tsv",
        groups="<results>/check/groups.tsv",
        page=report(
            "<results>/check/check.html",
            caption="../report/check.rst",
            category="Data",
            subcategory="Check",
            labels={"result": "findings, page"},
        ),
    log:
        "<results>/logs/check.log",
    benchmark:
        "<results>/benchmarks/check.tsv"
    container:
        IMAGES["image"]
    resources:
        **LARGE,
    params:
        dataset=DATASET,
        pages=pages("check.html.j2"),
        ignore=lookup(dpath="check/ignore", within=config),
        working_pixel_size_um=lookup(
            dpath="images/working_pixel_size_um", within=config
        ),
        cell_diameter_um=lookup(dpath="check/cell_diameter_um", within=config),
    message:
        "Look for faults in images and masks"
    script:
        "../scripts/check.py"


rule check_passed:
    """Stop here if the check found errors."""
    input:
        findings=rules.check_frames.output.findings,
        page=rules.check_frames.output.page,
    output:
        "<results>/check/passed.txt",
    log:
        "<results>/logs/check_passed.log",
    benchmark:
        "<results>/benchmarks/check_passed.tsv"
    container:
        IMAGES["image"]
    resources:
        **SMALL,
    message:
        "Stop here if the check found errors"
    script:
        "../scripts/gate.py"
