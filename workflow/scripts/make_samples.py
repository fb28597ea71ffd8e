"""Make a sample sheet from a folder of images and masks, and suggest a config for it.

.venv/bin/python workflow/scripts/make_samples.py folders ~/mine
.venv/bin/python workflow/scripts/make_samples.py --detect ~/mine --pattern '{group}_{frame}' --pixel-size-um 0.65
"""

import argparse
import re
from pathlib import Path

import yaml

from brightcell.compute import pace
from brightcell.config import validation
from brightcell.errors import InputError, command
from brightcell.files import whole
from brightcell.sheets import layouts, making


def arguments() -> argparse.ArgumentParser:
    """Describe the command line."""
    examples = "\n".join(f"  {name:9} {layout.example}" for name, layout in layouts.LAYOUTS.items())
    parser = argparse.ArgumentParser(
        prog="make_samples.py",
        description="Make a sample sheet from a folder of images and masks, tell what could not be paired, and "
        "suggest a config.",
        epilog=f"layouts:\n{examples}\n\nexample:\n  .venv/bin/python workflow/scripts/make_samples.py --detect ~/mine "
        "--pixel-size-um 0.65 --config config/mine.yaml",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "layout",
        nargs="?",
        choices=list(layouts.LAYOUTS),
        metavar="LAYOUT",
        help="how the folder is laid out; see below",
    )
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="folder with the images and masks")
    parser.add_argument(
        "--detect", action="store_true", help="guess the layout, in place of LAYOUT, and say why"
    )
    parser.add_argument(
        "--output", type=Path, metavar="SHEET", help="the sheet to write (FOLDER/samples.tsv)"
    )
    parser.add_argument(
        "--pattern",
        help="what an image's name says, such as '{group}_{frame}' or '{group}/{frame}.tif'; without it the number at "
        "the end of a name is the frame and the rest its group",
    )
    parser.add_argument(
        "--block", type=int, metavar="N", help="cut every group into groups of N frames in a row"
    )
    parser.add_argument("--images", metavar="NAME", help="the images' folder, or the ending of their names")
    parser.add_argument("--masks", metavar="NAME", help="the masks' folder, or the ending of their names")
    parser.add_argument(
        "--truth", choices=["GT", "ST"], help="Cell Tracking Challenge: gold (the default) or silver"
    )
    parser.add_argument(
        "--pixel-size-um", type=decimal, metavar="UM", help="side of a pixel in the specimen, in µm"
    )
    parser.add_argument(
        "--tracked",
        action="store_true",
        help="cells keep their numbers over time: the masks also go into the column track, for scores of tracks",
    )
    parser.add_argument(
        "--plane",
        type=plane,
        metavar="N",
        help="stacks with depth: the slice to take, from 0; several, such as 0,2,4, become channels; focus takes the "
        "sharpest; time takes slices as time points",
    )
    parser.add_argument(
        "--panels", type=int, metavar="N", help="number of focal planes that stand side by side in each image"
    )
    parser.add_argument(
        "--config", type=Path, metavar="FILE", help="write the suggested config; else it is printed"
    )
    parser.add_argument("--force", action="store_true", help="write over a sheet or config that exists")
    parser.add_argument("--dry-run", "-n", action="store_true", help="tell only; write nothing")
    return parser


def decimal(text: str) -> float:
    """Read a number; a decimal comma is named."""
    try:
        return float(text)
    except ValueError:
        hint = f"; write {text.replace(',', '.')}" if re.fullmatch(r"\d+,\d+", text) else ""
        raise argparse.ArgumentTypeError(
            f"found {text!r}; expected a number with a decimal point, such as 0.65{hint}"
        ) from None


def plane(text: str) -> int | list[int] | str:
    """Read the slices to take."""
    if text in ("focus", "time"):
        return text
    if not re.fullmatch(r"\d{1,6}(,\d{1,6}){0,3}", text):
        raise argparse.ArgumentTypeError(
            f"found {text!r}; expected a number from 0, up to four of them such as 0,2,4, focus or time"
        )
    numbers = [int(number) for number in text.split(",")]
    return numbers if len(numbers) > 1 else numbers[0]


def main(words: list[str] | None = None) -> None:
    """Do what the command line says."""
    parser = arguments()
    given = parser.parse_args(words)
    if (given.layout is None) != given.detect:
        parser.error(
            "name a LAYOUT or give --detect" if not given.detect else "LAYOUT and --detect: give one of them"
        )
    if given.pixel_size_um is not None and not given.pixel_size_um > 0:
        parser.error(f"--pixel-size-um: found {given.pixel_size_um:g}; expected a number above 0, in µm")
    if given.panels is not None and not 1 <= given.panels <= 100:
        parser.error(f"--panels: found {given.panels}; expected a number from 1 to 100")
    chosen = {"panels": given.panels, "plane": given.plane}
    sheet = given.output or given.folder / "samples.tsv"
    if given.config and given.config.exists() and not (given.force or given.dry_run):
        raise InputError(f"{given.config}: exists already. Name another with --config, or give --force.")
    choice = ("pattern", "block", "images", "masks", "truth", "tracked", "force", "dry_run")
    rows = making.make_sheet(
        given.folder, sheet, given.layout, chosen=chosen, **{name: getattr(given, name) for name in choice}
    )
    if not rows:
        return
    text = making.suggest_config(
        rows, given.folder, sheet, given.pixel_size_um, given.config and given.config.stem, chosen
    )
    if given.config and not given.dry_run:
        with whole(given.config) as temporary:
            temporary.write_text(text, encoding="utf-8")
        print(f"Written: {given.config}")
    print(
        f"\nA config for it{'' if given.config else '; save it, for example as config/mine.yaml'}:\n\n{text}"
    )
    if settings := yaml.safe_load(text):
        plan = pace.plan_of(validation.complete(settings, validation.load_schema()))
        print(
            f"This config asks for {pace.in_words(plan)}. `snakemake check` measures how long they take here."
        )


if __name__ == "__main__":
    with command():
        main()
