"""The loss: focal for the foreground, squared error for the distance."""

from typing import Any

import keras
from keras import ops


def focal_loss(truth: keras.KerasTensor, predicted: keras.KerasTensor, gamma: float) -> keras.KerasTensor:
    """Return the binary focal cross-entropy without class balancing, per pixel (Lin et al. 2017, arXiv 1708.02002)."""
    predicted = ops.clip(predicted, 1e-7, 1 - 1e-7)
    right = truth * predicted + (1 - truth) * (1 - predicted)
    return -ops.power(1 - right, gamma) * ops.log(right)


class SegmentationLoss(keras.losses.Loss):
    """Focal loss on the foreground, plus a weighted squared error on the distance if there is one.

    Takes truth and prediction as (batch, height, width, outputs); outputs is 1, or 2 with the distance second.
    """

    def __init__(
        self, gamma: float = 2.0, distance_weight: float = 1.0, name: str = "segmentation_loss", **kwargs: Any
    ):
        super().__init__(name=name, **kwargs)
        self.gamma = gamma
        self.distance_weight = distance_weight

    def call(self, y_true: keras.KerasTensor, y_pred: keras.KerasTensor) -> keras.KerasTensor:
        """Return the loss per pixel, (batch, height, width)."""
        loss = focal_loss(y_true[..., 0], y_pred[..., 0], self.gamma)
        if y_pred.shape[-1] == 2:
            loss = loss + self.distance_weight * ops.square(y_true[..., 1] - y_pred[..., 1])
        return loss

    def get_config(self) -> dict:
        """Return the arguments from which Keras rebuilds the loss."""
        return {**super().get_config(), "gamma": self.gamma, "distance_weight": self.distance_weight}
