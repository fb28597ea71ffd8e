"""The loss, computed from logits: focal for the foreground, squared error for the distance."""

from typing import Any

import keras
from keras import layers, ops


def without_sigmoid(model: keras.Model) -> keras.Model:
    """Return a network with the same layers and weights, but without its last one, the sigmoid: it gives logits, float32.

    A sigmoid rounds to 0 or 1, and a pixel that is wrong there no longer teaches anything. From logits it does.
    """
    logits = layers.Activation("linear", dtype="float32", name="logits")(model.layers[-1].input)
    return keras.Model(model.inputs, logits, name=model.name)


def focal_loss(truth: keras.KerasTensor, logits: keras.KerasTensor, gamma: float) -> keras.KerasTensor:
    """Return the binary focal cross-entropy without class balancing, per pixel; truth is 0 or 1.

    (1 - p)^gamma · -log p, with p the probability of the true class (Lin et al. 2017, arXiv 1708.02002). With z its
    logit, -log p is softplus(-z) and 1 - p is exp(-softplus(z)): neither rounds to 0 where a pixel is wrong.
    """
    right = (2 * truth - 1) * logits
    return ops.exp(-gamma * ops.softplus(right)) * ops.softplus(-right)


class SegmentationLoss(keras.losses.Loss):
    """Focal loss on the foreground, plus a weighted squared error on the distance if there is one.

    Takes truth and logits as (batch, height, width, outputs); outputs is 1, or 2 with the distance second. Where the true
    foreground is below 0 a pixel does not count: its loss is 0.
    """

    def __init__(
        self, gamma: float = 2.0, distance_weight: float = 1.0, name: str = "segmentation_loss", **kwargs: Any
    ):
        super().__init__(name=name, **kwargs)
        self.gamma = gamma
        self.distance_weight = distance_weight

    def call(self, y_true: keras.KerasTensor, y_pred: keras.KerasTensor) -> keras.KerasTensor:
        """Return the loss per pixel, (batch, height, width)."""
        foreground = y_true[..., 0]
        loss = focal_loss(ops.maximum(foreground, 0.0), y_pred[..., 0], self.gamma)
        if y_pred.shape[-1] == 2:
            loss = loss + self.distance_weight * ops.square(y_true[..., 1] - ops.sigmoid(y_pred[..., 1]))
        return loss * ops.cast(foreground >= 0, loss.dtype)

    def get_config(self) -> dict:
        """Return the arguments from which Keras rebuilds the loss."""
        return {**super().get_config(), "gamma": self.gamma, "distance_weight": self.distance_weight}
