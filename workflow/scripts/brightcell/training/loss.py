"""The loss: focal for the foreground, absolute error for the distance."""

import keras
from keras import ops


def focal_loss(truth, predicted, gamma: float):
    """Binary focal cross-entropy without class balancing, per pixel (Lin et al. 2017, arXiv 1708.02002)."""
    predicted = ops.clip(predicted, 1e-7, 1 - 1e-7)
    right = truth * predicted + (1 - truth) * (1 - predicted)
    return -ops.power(1 - right, gamma) * ops.log(right)


class SegmentationLoss(keras.losses.Loss):
    """Focal loss on the foreground, plus a weighted squared error on the distance where there is one.

    Takes truth and prediction as (batch, height, width, outputs); outputs is 1, or 2 with the distance second.
    """

    def __init__(
        self, gamma: float = 2.0, distance_weight: float = 1.0, name: str = "segmentation_loss", **kwargs
    ):
        super().__init__(name=name, **kwargs)
        self.gamma = gamma
        self.distance_weight = distance_weight

    def call(self, y_true, y_pred):
        """Return the loss per pixel, (batch, height, width)."""
        loss = focal_loss(y_true[..., 0], y_pred[..., 0], self.gamma)
        if y_pred.shape[-1] == 2:
            loss = loss + self.distance_weight * ops.square(y_true[..., 1] - y_pred[..., 1])
        return loss

    def get_config(self) -> dict:
        """Return what rebuilds the loss."""
        return {**super().get_config(), "gamma": self.gamma, "distance_weight": self.distance_weight}
