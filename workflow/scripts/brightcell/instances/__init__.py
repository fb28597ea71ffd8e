"""Separate touching cells, and measure them."""

from .labelling import label_cells
from .published import label_cells_published

__all__ = ["label_cells", "label_cells_published"]
