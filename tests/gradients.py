"""The gradient of the focal loss by each backend, and the same by its formula, worked out by hand."""

import keras
import numpy as np

from brightcell.training.loss import focal_loss

LOGITS = np.array([-80, -30, -17, -3, -0.5, 0, 0.5, 3, 17, 30, 80], np.float32)


def focal_gradient(gamma: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return truths, logits and the derivatives of their losses, by Keras' backend."""
    truth, logits = np.repeat(np.float32([0, 1]), len(LOGITS)), np.tile(LOGITS, 2)
    backend = keras.backend.backend()
    if backend == "jax":
        import jax

        found = jax.grad(lambda z: focal_loss(truth, z, gamma).sum())(logits)
    elif backend == "torch":
        import torch

        places = torch.tensor(logits, requires_grad=True)
        focal_loss(torch.tensor(truth), places, gamma).sum().backward()
        found = places.grad
    else:
        import tensorflow as tf

        places = tf.Variable(logits)
        with tf.GradientTape() as tape:
            value = tf.reduce_sum(focal_loss(tf.constant(truth), places, gamma))
        found = tape.gradient(value, places)
    return truth, logits, np.asarray(found)


def expected_gradient(truth: np.ndarray, logits: np.ndarray, gamma: float) -> np.ndarray:
    """Differentiate -(1 - p)^gamma log p, where p is the sigmoid of z, the logit of the true class.

    dp/dz = p (1 - p), so the derivative by z is (1 - p)^gamma (gamma p log p - (1 - p)).
    """
    sign = 2.0 * truth - 1
    z = sign * logits.astype(float)
    right, wrong = 1 / (1 + np.exp(-z)), 1 / (1 + np.exp(z))
    return sign * wrong**gamma * (-gamma * right * np.log1p(np.exp(-z)) - wrong)
