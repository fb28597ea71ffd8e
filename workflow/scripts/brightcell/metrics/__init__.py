"""Score predictions: pixels, boundaries, cells, probabilities."""

from .registry import METRICS, boundary_scores, instance_scores, pixel_scores, probability_scores

__all__ = ["METRICS", "boundary_scores", "instance_scores", "pixel_scores", "probability_scores"]
