# The networks: one training a scheme, network, fold and seed. Those that are trained on start from one of these.


rule train:
    """Train every network, and every other tool, on every fold with every seed."""
    input:
        every_model("model.keras"),
        every_run("recipe.json", RUNNING),


rule preflight:
    """Look for a GPU where trainings will run."""
    output:
        "<results>/preflight.json",
    log:
        "<results>/logs/preflight.log",
    benchmark:
        "<results>/benchmarks/preflight.tsv"
    container:
        IMAGES["train"]
    resources:
        **LARGE,
    params:
        device=lookup(dpath="compute/device", within=config),
    message:
        "Look for a GPU"
    script:
        "../scripts/preflight.py"


rule measure_pace:
    """Measure how long the trainings will take here."""
    input:
        samples="<results>/samples.tsv",
        checked=ancient("<results>/check/passed.txt"),
    output:
        "<results>/pace.json",
    log:
        "<results>/logs/pace.log",
    benchmark:
        "<results>/benchmarks/pace.tsv"
    container:
        IMAGES["train"]
    threads: 8
    resources:
        **LONG,
    params:
        network=lookup(dpath="network", within=config),
        training=lookup(dpath="training", within=config),
        compute=lookup(dpath="compute", within=config),
        plan=pace.plan_of(config)._asdict(),
        at_once=trainings_at_once(),
    message:
        "Measure how long the trainings will take"
    script:
        "../scripts/measure_pace.py"


rule train_network:
    """Train one network on one fold with one seed."""
    input:
        prepared="<results>/prepared.tsv",
        samples="<results>/samples.tsv",
        folds="<results>/folds.tsv",
        init=start_of,
        corrected=if_trained_on("prepared.tsv"),
        crops=if_trained_on("prepared/corrected/samples.tsv"),
        checked=ancient("<results>/check/passed.txt"),
        preflight=device_is_known(),
    output:
        model="<model>/model.keras",
        history=report(
            "<model>/history.csv",
            caption="../report/history.rst",
            category="Training",
            subcategory="{network}",
            labels={
                "network": "{network}",
                "scheme": "{scheme}",
                "fold": "{fold}",
                "seed": "{seed}",
            },
        ),
        recipe="<model>/recipe.json",
    log:
        "<model>/train.log",
    benchmark:
        "<model>/train.benchmark.tsv"
    container:
        IMAGES["train"]
    threads: 8
    resources:
        **LONG,
    params:
        dataset=DATASET,
        architecture=lambda wildcards: STARTS.get(wildcards.network, wildcards.network),
        network=lookup(dpath="network", within=config),
        training=training_of,
        share=lambda wildcards: (
            config["retrain"]["share"] if wildcards.network in STARTS else None
        ),
        compute=lookup(dpath="compute", within=config),
        percentiles=lookup(dpath="images/percentiles", within=config),
        chosen_channels=lookup(dpath="images/channels", within=config),
        preprocess=PREPROCESS,
    message:
        "Train {wildcards.network}: {wildcards.scheme} fold {wildcards.fold}, seed {wildcards.seed}"
    script:
        "../scripts/train.py"
