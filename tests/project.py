"""A copy of the project with a small data set of its own, for tests that run the workflow."""

import io
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import tifffile
import yaml

ROOT = Path(__file__).parents[1]

CONFIG = {
    "dataset": "discs",
    "samples": "data/samples.tsv",
    "images": {"pixel_size_um": 0.5},
    "folds": {"number": 2},
    "networks": ["simple", "attention"],
    "network": {"filters": 2, "levels": 2},
    "training": {"epochs": 2, "steps_per_epoch": 4, "batch_size": 2, "patch": 32, "learning_rate": 0.01},
    "prediction": {"tile": 32, "overlap": 8, "symmetries": False},
    "watershed": {
        "thresholds": [0.4, 0.5],
        "smoothing": [0.3],
        "depth": [0.1],
        "minimum_area": [0.1],
        "refinements": 1,
    },
    "comparison": {"draws": 200},
    "report": {"frames": 3},
}


def disc_frame(seed: int, size: int = 48) -> tuple[np.ndarray, np.ndarray]:
    """Bright discs on noise, uint8, and their labels, uint16."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:size, :size]
    labels = np.zeros((size, size), np.uint16)
    for cell in range(1, 5):
        row, column = rng.uniform(6, size - 6, 2)
        labels[(y - row) ** 2 + (x - column) ** 2 < 30] = cell
    image = 90 + 60 * (labels > 0) + rng.normal(0, 8, labels.shape)
    return image.round().astype(np.uint8), labels


def read_weights(path: Path) -> dict[str, np.ndarray]:
    """All arrays of a .keras file."""
    import h5py

    found = {}
    with zipfile.ZipFile(path) as archive, h5py.File(io.BytesIO(archive.read("model.weights.h5"))) as file:
        file.visititems(
            lambda name, item: found.update({name: item[()]}) if isinstance(item, h5py.Dataset) else None
        )
    return found


class Project:
    """A clone of the project in a folder, with `groups` × 2 frames of discs in data/."""

    def __init__(self, folder: Path, groups: int = 4):
        self.folder = folder
        folder.mkdir(parents=True)
        shutil.copy(ROOT / "Snakefile", folder)
        for name in ("workflow", "profiles", "config", "slurm", "containers", "requirements"):
            shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__", "*.sif"))
        for kind in ("images", "masks"):
            (folder / "data" / kind).mkdir(parents=True)
        self.rows = []
        for group in range(1, groups + 1):
            for frame in range(2):
                name = f"field{group}_{frame}"
                image, labels = disc_frame(10 * group + frame)
                tifffile.imwrite(folder / f"data/images/{name}.tif", image)
                tifffile.imwrite(folder / f"data/masks/{name}.tif", labels)
                self.rows.append([name, f"images/{name}.tif", f"masks/{name}.tif", f"field{group}"])
        self.write_sheet()
        self.write_config()

    @classmethod
    def at(cls, folder: Path) -> "Project":
        """A copy of such a clone that is there already."""
        made = cls.__new__(cls)
        made.folder = folder
        return made

    def write_sheet(self, header=("sample", "image", "mask", "group"), rows=None) -> None:
        """Write data/samples.tsv."""
        lines = [header, *(self.rows if rows is None else rows)]
        (self.folder / "data/samples.tsv").write_text("".join("\t".join(line) + "\n" for line in lines))

    def write_sheet_of_recording(self, frames: int = 3) -> None:
        """Write frames without masks and data/recording.tsv, which names them."""
        lines = ["sample\timage\tgroup\tframe\tpixel_size_um"]
        for frame in range(frames):
            tifffile.imwrite(self.folder / f"data/images/new_{frame}.tif", disc_frame(90 + frame)[0])
            lines.append(f"new_{frame}\timages/new_{frame}.tif\tdish\t{frame}\t0.5")
        (self.folder / "data/recording.tsv").write_text("\n".join(lines) + "\n")

    def write_config(self, **changes) -> None:
        """Write config/test.yaml: CONFIG with some top keys replaced."""
        (self.folder / "config/test.yaml").write_text(yaml.safe_dump(CONFIG | changes))

    def snakemake(self, *arguments: str) -> subprocess.CompletedProcess:
        """Run snakemake in the folder; stdout and stderr together are in `stdout`."""
        command = [
            sys.executable,
            "-m",
            "snakemake",
            "--configfile",
            "config/test.yaml",
            "--cores",
            "2",
            *arguments,
        ]
        return subprocess.run(
            command, cwd=self.folder, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=600
        )

    def planned(self, *arguments: str) -> dict[str, int]:
        """Rules that a dry run would run, with the number of jobs of each."""
        done = self.snakemake(*arguments, "-n", "--quiet", "rules")
        assert done.returncode == 0, done.stdout
        jobs = {}
        for line in done.stdout.splitlines():
            words = line.split()
            if len(words) == 2 and words[1].isdigit() and words[0] != "total":
                jobs[words[0]] = int(words[1])
        return jobs

    def path(self, name: str) -> Path:
        """A file of the results."""
        return self.folder / "results/discs" / name

    def half_written(self) -> list[Path]:
        """Temporary files that a failed job left behind."""
        return [path for path in (self.folder / "results").rglob("*") if ".part" in path.name]
