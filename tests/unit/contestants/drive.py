"""Run a tool's three functions in the tool's own environment: drive.py TOOL FRAMES.npz SETTINGS.json FOLDER.

Of the frames the last is predicted, the one before it is for validation, the others for training. FOLDER gets raw.npz
and labels.npy, and again.npy from FOLDER/again, where the trained model is used as it is. What `train` returns is printed
last, twice: a second training finds that the first is complete.
"""

import importlib.util
import json
import sys
from pathlib import Path

import numpy as np

TOOLS = Path(__file__).resolve().parents[3] / "workflow" / "contestants"


def load(name):
    spec = importlib.util.spec_from_file_location(f"contestant_{name}", TOOLS / f"{name}.py")
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)
    return tool


if __name__ == "__main__":
    name, frames, settings, folder = sys.argv[1:]
    folder, tool, frames = Path(folder), load(name), np.load(frames)
    settings = json.loads(Path(settings).read_text(encoding="utf-8"))
    pairs = list(zip(frames["images"], frames["labels"], strict=True))
    told = [tool.train(pairs[:-2], pairs[-2:-1], folder, settings) for _ in range(2)]
    raw = tool.predict(folder, pairs[-1][0], settings)
    np.savez(folder / "raw.npz", **raw)
    np.save(folder / "labels.npy", tool.labels(folder, raw, settings))
    again = folder / "again"
    again.mkdir()
    settings |= {"weights": str(folder / "model"), "epochs": 0}
    tool.train(pairs[:-2], pairs[-2:-1], again, settings)
    raw = tool.predict(again, pairs[-1][0], settings)
    np.save(folder / "again.npy", tool.labels(again, raw, settings))
    print(json.dumps(told))
