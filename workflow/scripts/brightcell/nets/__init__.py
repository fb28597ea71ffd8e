"""The three networks: simple, attention and residual attention U-Net."""

from .loading import load_model
from .unet import ARCHITECTURES, build_unet, count_parameters

__all__ = ["ARCHITECTURES", "build_unet", "count_parameters", "load_model"]
