"""Write config/README.md from the schemas of config and sheet."""

from collections.abc import Iterator

import yaml

from .validation import expectation


def manual(schema: dict, samples_schema: dict) -> str:
    """Render config/README.md from both schemas, as Markdown."""
    alone: list[str] = []
    blocks: list[str] = []
    experts: list[str] = []
    for key, entry in schema["properties"].items():
        if not keys_of(entry):
            alone.append(_row(key, entry, "**required**" if key in schema["required"] else None))
            continue
        if rows := "".join(_rows(entry, expert=False)):
            blocks.append(f"### `{key}`\n\n{_line(entry['description'])}\n\n{HEAD}{rows}")
        experts += _rows(entry, expert=True, prefix=f"{key}.")
    columns = "| column | legal values | what it is |\n|---|---|---|\n" + "".join(
        f"| `{name}`{'' if name in samples_schema['required'] else ' (optional)'} "
        f"| {_cell(expectation(entry))} | {_cell(entry['description'])} |\n"
        for name, entry in samples_schema["properties"].items()
    )
    return MANUAL.format(
        alone=HEAD + "".join(alone),
        blocks="\n".join(blocks),
        experts=HEAD + "".join(experts),
        columns=columns,
    )


def _rows(schema: dict, expert: bool, prefix: str = "") -> Iterator[str]:
    """Render the keys of a block: those marked `x-expert`, or all others."""
    for key, entry in keys_of(schema).items():
        if keys_of(entry):
            yield from _rows(entry, expert, f"{prefix}{key}.")
        elif entry.get("x-expert", False) is expert:
            yield _row(f"{prefix}{key}", entry)


def keys_of(schema: dict) -> dict:
    """Return the keys of a block with their schemas; `<name>` stands for any name. Empty if it is no block."""
    others = schema.get("additionalProperties")
    if isinstance(others, dict):
        return {"<name>": others}
    return schema.get("properties", {})


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

A config says what to compare, and on which images. `make_samples.py --config config/mine.yaml` writes one that suits
your cells ([how](../docs/your-own-images.md#2-make-the-sheet-and-the-config)). Or copy these lines to `config/mine.yaml` and change them:

```yaml
dataset: mine                       # results go to results/mine
samples: /path/to/mine/samples.tsv  # the sample sheet: one row per frame
images:
  pixel_size_um: 0.65               # of the files
  working_pixel_size_um: 1.3        # frames are scaled to this: cells about 28 px across
seeds: [1, 2, 3]                    # every network is trained three times in every fold
```

Keys that you leave out have the defaults in the tables below. A misspelt key or an illegal value stops the run at once, with
a message. Then [check your images and run](../docs/your-own-images.md#3-check-images-and-masks).

Keys in later files replace those in earlier ones: `--configfile config/mine.yaml config/short.yaml`. To change keys for one
run, add them at the end: `--config dataset=trial 'training={{epochs: 7}}' 'seeds=[1, 2]'`.

## The sample sheet

The sheet is a text file with one row per frame and tabs between the columns. The first line names the columns, in any
order. In Excel or LibreOffice, save it as "Text (tab-delimited)". Paths that do not begin with `/` are relative to the
folder of the sheet. Fill an optional column in every row or in none.

{columns}
## All keys

{alone}
{blocks}
## For experts

The defaults of these keys suit almost every study. Change them only if you know the method behind them.

{experts}"""
