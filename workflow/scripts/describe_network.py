"""Write the card of a network: what its trainings were trained on, how good they are together, and their limits."""

from pathlib import Path

from brightcell import files
from brightcell.jobs import job
from brightcell.report import card


def main(inputs, output) -> None:
    """Read recipes, expected, samples and folds; write Markdown."""
    text = card.write_card(
        [files.read_json(path) for path in inputs.recipes],
        *(files.read_table(path) for path in (inputs.expected, inputs.samples, inputs.folds)),
    )
    with files.whole(Path(output)) as temporary:
        temporary.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    with job(snakemake.log[0]):
        main(snakemake.input, snakemake.output[0])
