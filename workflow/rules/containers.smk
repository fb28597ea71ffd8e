# The images in which jobs run with --sdm apptainer.


rule containers:
    """Build the container images that are missing or outdated."""
    log:
        "results/containers.log",
    localrule: True
    container:
        lambda wildcards: None  # Apptainer is called where Snakemake was started
    params:
        python=sys.executable,
        build=ROOT / "containers" / "build.py",
    shell:
        "{params.python:q} {params.build:q} build 2>&1 | tee {log:q}"
