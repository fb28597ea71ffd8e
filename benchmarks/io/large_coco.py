"""Measure time and memory of preparing images whose masks lie in one large COCO file, of the shape of LIVECell's.

    .venv/bin/python benchmarks/io/large_coco.py        # --megabytes 400 --groups 8

The file has `annotations` as an object keyed by number, as LIVECell's has; most of its images are not in the sheet. The
workflow prepares two images a group; the table is made from the benchmarks that Snakemake keeps of its jobs.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import tifffile

ROOT = Path(__file__).resolve().parents[2]
HEIGHT, WIDTH, CELLS = 520, 704, 300  # of LIVECell: px, and cells of an image


def annotations_of(image: int, first: int, rng: np.random.Generator) -> list[str]:
    """Return the annotations of an image as JSON: outlines of 40 corners, as LIVECell's have on average, in a grid."""
    angle = np.linspace(0, 2 * np.pi, 40, endpoint=False)
    found = []
    for cell in range(CELLS):
        row, column = divmod(cell, 20)
        radius = 12 + rng.uniform(-2, 2, len(angle))
        ring = np.stack(
            [17 + 34 * column + radius * np.cos(angle), 17 + 34 * row + radius * np.sin(angle)], -1
        )
        told = {
            "id": first + cell,
            "image_id": image,
            "category_id": 1,
            "iscrowd": 0,
            "segmentation": [ring.round(2).ravel().tolist()],
        }
        found.append(f'"{first + cell}": {json.dumps(told)}')
    return found


def make_data(folder: Path, megabytes: float, groups: int) -> int:
    """Write images, coco.json, the sheet and the config; returns the number of annotations."""
    rng = np.random.default_rng(1)
    names = [f"A172_Phase_{well}_{field}_00d00h00m_1.tif" for well in range(groups) for field in (1, 2)]
    lines = ["sample\timage\tmask\tgroup"]
    for number, name in enumerate(names):
        tifffile.imwrite(folder / name, rng.integers(90, 150, (HEIGHT, WIDTH), dtype=np.uint8))
        lines.append(f"{Path(name).stem}\t{name}\tcoco.json\twell{number // 2}")
    (folder / "samples.tsv").write_text("\n".join(lines) + "\n")
    written, image = 0, 0
    with (folder / "coco.json").open("w") as file:
        file.write('{"categories": [{"id": 1, "name": "cell"}], "annotations": {')
        while file.tell() < megabytes * 1e6 or image < len(names):
            found = annotations_of(image, written + 1, rng)
            file.write((", " if written else "") + ", ".join(found))
            written, image = written + len(found), image + 1
        names += [f"BV2_Phase_{number}.tif" for number in range(len(names), image)]
        images = [
            {"id": number, "file_name": name, "height": HEIGHT, "width": WIDTH}
            for number, name in enumerate(names)
        ]
        file.write(f'}}, "images": {json.dumps(images)}}}')
    config = f"dataset: coco\nsamples: {folder}/samples.tsv\nimages: {{pixel_size_um: 1.2}}\n"
    (folder / "config.yaml").write_text(config)
    return written


def main() -> None:
    """Make the data, prepare them, print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--megabytes", type=float, default=400)
    parser.add_argument("--groups", type=int, default=8)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        written = make_data(folder, options.megabytes, options.groups)
        size = (folder / "coco.json").stat().st_size / 1e6
        command = [
            sys.executable,
            "-m",
            "snakemake",
            "results/coco/samples.tsv",
            "--cores",
            "1",
            "--quiet",
            "rules",
        ]
        command += [
            "--snakefile",
            ROOT / "Snakefile",
            "--directory",
            folder,
            "--configfile",
            folder / "config.yaml",
        ]
        subprocess.run(command, check=True)
        print(f"{size:.0f} MB, {written:,} annotations; {options.groups} groups of two images\n")
        print("| job | jobs | clock, s | processor, s | memory at its peak, MB |\n|---|---:|---:|---:|---:|")
        for name in ("index_annotations", "prepare"):
            tables = [
                pd.read_table(path) for path in (folder / "results/coco/benchmarks" / name).glob("*.tsv")
            ]
            of_job = pd.concat(tables)
            print(
                f"| {name} | {len(of_job)} | {of_job['s'].max():.1f} | {of_job['cpu_time'].max():.1f} | "
                f"{of_job['max_rss'].max():.0f} |"
            )


if __name__ == "__main__":
    main()
