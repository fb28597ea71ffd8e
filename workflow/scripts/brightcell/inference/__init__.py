"""Predict images of any size, tile by tile."""

from .tiling import predict_tiled

__all__ = ["predict_tiled"]
