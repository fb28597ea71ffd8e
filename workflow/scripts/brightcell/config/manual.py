"""Write config/README.md from the schemas of config and sheet."""

from collections.abc import Iterator

import yaml

from .validation import expectation


def manual(schema: dict, samples_schema: dict) -> str:
    """Render config/README.md from both schemas, as Markdown."""
    alone, blocks = [], []
    for key, entry in schema["properties"].items():
        if "properties" not in entry:
            alone.append(_row(key, entry, "**required**" if key in schema["required"] else None))
            continue
        blocks.append(f"### `{key}`\n\n{_line(entry['description'])}\n\n{HEAD}" + "".join(_rows(entry)))
    columns = "| column | legal values | what it is |\n|---|---|---|\n" + "".join(
        f"| `{name}`{'' if name in samples_schema['required'] else ' (optional)'} "
        f"| {_cell(expectation(entry))} | {_cell(entry['description'])} |\n"
        for name, entry in samples_schema["properties"].items()
    )
    return MANUAL.format(alone=HEAD + "".join(alone), blocks="\n".join(blocks), columns=columns)


def _rows(schema: dict, prefix: str = "") -> Iterator[str]:
    for key, entry in schema["properties"].items():
        if "properties" in entry:
            yield from _rows(entry, f"{prefix}{key}.")
        else:
            yield _row(f"{prefix}{key}", entry)


def _row(key: str, entry: dict, default: str | None = None) -> str:
    if default is None:
        default = f"`{yaml.safe_dump(entry['default'], default_flow_style=True).splitlines()[0]}`"
    return f"| `{key}` | {default} | {_cell(expectation(entry))} | {_cell(entry['description'])} |\n"


def _line(text: str) -> str:
    return " ".join(text.split())


def _cell(text: str) -> str:
    return _line(text).replace("|", "\\|").replace("<", "&lt;").replace("`results/&lt;", "`results/<")


HEAD = "| key | default | legal values | what it does |\n|---|---|---|---|\n"


MANUAL = """\
<!-- Made from workflow/schemas by `python workflow/scripts/manual.py`: edit the schemas, not this file. -->
# How to write a config

A config says what to compare on which images. `make_samples.py --config config/mine.yaml` writes one that suits your
cells ([how](../docs/your-own-images.md#3-make-the-sheet)); or copy these lines to `config/mine.yaml` and change them:

```yaml
dataset: mine                       # results go to results/mine
samples: /path/to/mine/samples.tsv  # the sample sheet: one row a frame
images:
  pixel_size_um: 0.65               # of the files
  working_pixel_size_um: 1.3        # frames are brought to this: cells about 28 px across
seeds: [1, 2, 3]                    # every network is trained three times in every fold
```

Every key that you leave out has its default from the tables below. A key that is misspelt, or a value that is not
legal, stops the run at once, with its place and what was expected. Then:

| command | what it does |
|---|---|
| `.venv/bin/snakemake check --configfile config/mine.yaml --cores all` | looks at images and masks only; open `results/mine/check/check.html` |
| `.venv/bin/snakemake --configfile config/mine.yaml --cores all` | everything; open `results/mine/report.html` |
| `.venv/bin/snakemake segment --configfile config/mine.yaml --cores all` | segments new recordings with the trained networks |
| `.venv/bin/snakemake simulate --cores all` | makes the simulated images of the demo, `config/config.yaml` |

A target such as `check` stands first: `--configfile` takes all words that follow it for files, of which the later ones
are read on top of the first. `dataset` can be changed for one run: `--config dataset=trial`.

## The sample sheet

A table of text, one row a frame, a tab between columns, the columns' names in the first line, in any order. From Excel
or LibreOffice: save as "Text (tab-delimited)". A path that does not begin with `/` is relative to the sheet's folder. An
optional column is filled in every row or in none.

{columns}
## All keys

{alone}
{blocks}"""
