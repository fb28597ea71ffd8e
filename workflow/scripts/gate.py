"""Stop the run where the check found an error; otherwise write that it passed."""

from pathlib import Path

from brightcell.check.findings import LEVELS
from brightcell.errors import InputError
from brightcell.files import read_table, whole
from brightcell.jobs import job

SHOWN = 20


def main(findings: Path, page: Path, passed: Path) -> None:
    """Raise InputError with the errors in the table `findings`, or write the file `passed`."""
    table = read_table(findings)
    errors = table[table["level"] == "error"]
    if len(errors):
        lines = [
            f"\n  {row.finding}{': sample ' + row.sample if row.sample else ''}: {row.found}. {row.advice}"
            for row in errors.head(SHOWN).itertuples()
        ]
        lines += [f"\n  … and {len(errors) - SHOWN} more"] * (len(errors) > SHOWN)
        raise InputError(
            f"{findings}: {len(errors)} error{'s' * (len(errors) > 1)} in images or masks; open {page} to see them. "
            "Correct the files and start again, or, if a finding that check.ignore takes is right as it is, add its name "
            f"there in the config.{''.join(lines)}"
        )
    counts = table["level"].value_counts()
    with whole(passed) as temporary:
        temporary.write_text(
            "".join(f"{level}s\t{counts.get(level, 0)}\n" for level in LEVELS), encoding="utf-8"
        )


if __name__ == "__main__":
    with job(snakemake.log[0]):
        main(Path(snakemake.input.findings), Path(snakemake.input.page), Path(snakemake.output[0]))
