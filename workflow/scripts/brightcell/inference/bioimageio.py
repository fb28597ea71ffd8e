"""Pack a trained network for the programs that take models of bioimage.io, such as ilastik, Fiji (deepImageJ) and QuPath.

A package is a zip with the network as ONNX, its description (rdf.yaml, written as JSON, which is YAML), and a frame with the
prediction that is expected of it: https://bioimage-io.github.io/spec-bioimage-io/.
"""

import hashlib
import io
import json
import zipfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from brightcell import __version__
from brightcell.files import whole

FORMAT = "0.5.3"
OUTPUTS = ("foreground", "distance")
SIDE = 256  # least side of the test frame, in px
CITED = [
    {
        "text": "Ghaznavi et al. 2022, Cell segmentation from telecentric bright-field transmitted light microscopy images "
        "using a Residual Attention U-Net: a case study on HeLa line. Computers in Biology and Medicine 147, 105805",
        "doi": "10.1016/j.compbiomed.2022.105805",
    }
]
"""The study whose networks these are."""


def test_part(frame: np.ndarray, levels: int, radius: int) -> tuple[np.ndarray, int]:
    """Return the middle of a frame (height, width, channels) as a test input (1, height, width, channels), and the halo.

    Its sides are multiples of what the network can take, large enough for its receptive radius where the frame is. The halo is
    the rim of a prediction that the padding outside of the frame changes; that of a small frame is as wide as it can be.
    """
    multiple = 2 ** (levels - 1)
    wanted = -(-max(SIDE, 2 * radius + multiple) // multiple) * multiple
    height, width = (min(wanted, side // multiple * multiple) for side in frame.shape[:2])
    top, left = ((side - part) // 2 for side, part in zip(frame.shape[:2], (height, width), strict=True))
    part = frame[None, top : top + height, left : left + width].astype(np.float32)
    return part, max(0, min(radius, (min(height, width) - multiple) // 2))


def describe(recipe: dict, model: bytes, opset: int, halo: int, files: dict[str, bytes]) -> dict[str, Any]:
    """Return the description of a package.

    recipe : of the training; model, opset : the network as ONNX, and the version of its operators; halo : in px
    files : what the package holds besides, name → content: README.md, test_input.npy, test_output.npy and attachments
    """
    multiple = 2 ** (recipe["levels"] - 1)
    least = -(-(2 * halo + 1) // multiple) * multiple
    low, high = recipe["percentiles"]
    scaling = {"axes": ["y", "x"], "min_percentile": low, "max_percentile": high}
    pixel = recipe.get("working_pixel_size_um")
    scale = {"scale": pixel, "unit": "micrometer"} if pixel else {}
    space = [
        {"type": "space", "id": axis, "size": {"min": least, "step": multiple}, **scale}
        for axis in ("y", "x")
    ]
    found = [
        {"type": "space", "id": axis, "size": {"tensor_id": "image", "axis_id": axis}, **scale}
        | ({"halo": halo} if halo else {})
        for axis in ("y", "x")
    ]
    names = [f"channel{number}" for number in range(recipe["channels"])]
    attached = [name for name in files if name not in ("README.md", "test_input.npy", "test_output.npy")]
    return {
        "type": "model",
        "format_version": FORMAT,
        "name": f"{recipe['network']} U-Net of {recipe['dataset']}"[:128].replace("_", " "),
        "description": "Finds living cells in transmitted light: the probability that a pixel is cell"
        + (", and the distance to the edge of its cell." if recipe["outputs"] == 2 else "."),
        "version": "0.1.0",
        "cite": CITED,
        "tags": ["cells", "bright-field", "unet", "semantic-segmentation", "2d"],
        "documentation": _entry("README.md", files),
        "attachments": [_entry(name, files) for name in attached],
        "timestamp": datetime.now(UTC).isoformat(timespec="seconds"),
        "inputs": [
            {
                "id": "image",
                "axes": [{"type": "batch"}, *space, {"type": "channel", "channel_names": names}],
                "data": {"type": "float32"},
                "preprocessing": [
                    {"id": "ensure_dtype", "kwargs": {"dtype": "float32"}},
                    {"id": "scale_range", "kwargs": scaling},
                ],
                "test_tensor": _entry("test_input.npy", files),
            }
        ],
        "outputs": [
            {
                "id": "cells",
                "axes": [
                    {"type": "batch"}, *found,
                    {"type": "channel", "channel_names": list(OUTPUTS[: recipe["outputs"]])},
                ],
                "data": {"type": "float32", "range": [0, 1]},
                "test_tensor": _entry("test_output.npy", files),
            }
        ],
        "weights": {
            "onnx": {
                "source": "model.onnx", "sha256": hashlib.sha256(model).hexdigest(), "opset_version": opset,
                "comment": f"trained with Keras by brightcell {__version__}",
            }
        },
    }  # fmt: skip


def write_package(
    path: Path, recipe: dict, model: bytes, opset: int, halo: int, tests: tuple, texts: dict[str, bytes]
) -> None:
    """Write a package.

    tests : a frame and the prediction of it, float32 (1, height, width, channels); texts : name → content of README.md and of
    what is attached
    """
    arrays = dict(zip(("test_input.npy", "test_output.npy"), map(_npy, tests), strict=True))
    files = texts | arrays
    described = json.dumps(describe(recipe, model, opset, halo, files), indent=2, ensure_ascii=False)
    with whole(path) as temporary, zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in {"rdf.yaml": described.encode(), "model.onnx": model, **files}.items():
            archive.writestr(name, content)


def _entry(name: str, files: dict[str, bytes]) -> dict[str, str]:
    return {"source": name, "sha256": hashlib.sha256(files[name]).hexdigest()}


def _npy(array: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array.astype(np.float32))
    return buffer.getvalue()
