# From the sample sheet to checked stacks and folds.


rule simulate:
    input:
        simulated_files(),


rule simulate_sequence:
    output:
        images=simulated("images"),
        masks=simulated("masks"),
    log:
        "results/simulate/sequence{sequence}.log",
    benchmark:
        "results/simulate/sequence{sequence}.benchmark.tsv"
    container:
        image("image")
    threads: 1
    resources:
        mem_mb=megabytes(1000),
        runtime=minutes(15),
    params:
        frames=lookup(dpath="simulate/frames", within=config, default=None),
        size=lookup(dpath="simulate/size", within=config, default=None),
        seed=lookup(dpath="simulate/seed", within=config, default=None),
        code=code("simulate.py"),
    message:
        "Simulate the time-lapse sequence{wildcards.sequence}"
    script:
        "../scripts/simulate.py"


rule prepare:
    input:
        images=files_of("image"),
        masks=files_of("mask"),
        references=reference_frames(),
    output:
        frames="<results>/prepared/{group}/frames.tif",
        truth="<results>/prepared/{group}/truth.tif",
        samples="<results>/prepared/{group}/samples.tsv",
    log:
        "<results>/logs/prepare/{group}.log",
    benchmark:
        "<results>/benchmarks/prepare/{group}.tsv"
    container:
        image("image")
    threads: 1
    resources:
        mem_mb=megabytes(2000),
        runtime=minutes(30),
    params:
        rows=lambda wildcards: rows_of(wildcards.group),
        images=lookup(dpath="images", within=config),
        preprocess=preprocessing(),
        code=code("prepare.py"),
    message:
        "Read images and masks of the group {wildcards.group}"
    script:
        "../scripts/prepare.py"


rule gather_samples:
    input:
        every_group("samples.tsv"),
    output:
        "<results>/samples.tsv",
    log:
        "<results>/logs/gather_samples.log",
    benchmark:
        "<results>/benchmarks/gather_samples.tsv"
    container:
        image("image")
    threads: 1
    resources:
        mem_mb=megabytes(500),
        runtime=minutes(5),
    params:
        code=code("gather.py"),
    message:
        "Join the groups' tables of samples"
    script:
        "../scripts/gather.py"


rule check_frames:
    input:
        frames=every_group("frames.tif"),
        labels=every_group("truth.tif"),
        samples="<results>/samples.tsv",
        template=workflow.source_path("../report/check.html.j2"),
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
        image("image")
    threads: 1
    resources:
        mem_mb=megabytes(2000),
        runtime=minutes(60),
    params:
        ignore=lookup(dpath="check/ignore", within=config),
        working_pixel_size_um=lookup(
            dpath="images/working_pixel_size_um", within=config
        ),
        code=code("check.py"),
    message:
        "Look for faults in the images and masks"
    script:
        "../scripts/check.py"


rule check_passed:
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
        image("image")
    threads: 1
    resources:
        mem_mb=megabytes(500),
        runtime=minutes(5),
    params:
        code=code("gate.py"),
    message:
        "Stop here if the check found errors"
    script:
        "../scripts/gate.py"


rule check:
    input:
        result("check/passed.txt"),
        result("check/findings.tsv"),


rule folds:
    input:
        samples="<results>/samples.tsv",
    output:
        report(
            "<results>/folds.tsv",
            caption="../report/folds.rst",
            category="Data",
            subcategory="Folds",
            labels={"result": "roles of the frames"},
        ),
    log:
        "<results>/logs/folds.log",
    benchmark:
        "<results>/benchmarks/folds.tsv"
    container:
        image("image")
    threads: 1
    resources:
        mem_mb=megabytes(500),
        runtime=minutes(5),
    params:
        folds=lookup(dpath="folds", within=config),
        code=code("folds.py"),
    message:
        "Share the groups out over folds"
    script:
        "../scripts/folds.py"
