# Simulated time-lapses, for the demo.

from brightcell.simulation.files import simulated_files


rule simulate:
    """Simulate the demo's time-lapses."""
    input:
        [*samples["image"], *samples["mask"]] if config["simulate"] else [],


if config["simulate"]:

    rule simulate_sequence:
        """Simulate one time-lapse."""
        output:
            images=simulated_files(config["simulate"], "images", "{sequence}"),
            masks=simulated_files(config["simulate"], "masks", "{sequence}"),
        log:
            "results/simulate/sequence{sequence}.log",
        benchmark:
            "results/simulate/sequence{sequence}.benchmark.tsv"
        container:
            IMAGES["image"]
        resources:
            **MEDIUM,
        params:
            frames=lookup(dpath="simulate/frames", within=config),
            size=lookup(dpath="simulate/size", within=config),
            seed=lookup(dpath="simulate/seed", within=config),
        script:
            "../scripts/simulate.py"
