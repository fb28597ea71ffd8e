"""Write pictures as a microscope or a drawing program would."""

import warnings
from pathlib import Path

import imagecodecs
import numpy as np
import tifffile
from skimage import io


def save(path: Path, array: np.ndarray, **options) -> Path:
    """Write an array in the format of the suffix; options are those of tifffile."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if path.suffix == ".tif":
            tifffile.imwrite(path, array, **options)
        elif path.suffix == ".png" and array.dtype == np.uint16:
            path.write_bytes(imagecodecs.png_encode(array))
        else:
            io.imsave(path, array, check_contrast=False)
    return path
