"""Faster layers: what they compute is what Keras' own compute."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from brightcell.nets import unet
from brightcell.training import fast_layers


def passed(kind, policy, x, momentum=0.9):
    """Output, gradients and moving statistics of one training step through a normalisation of a known scale."""
    layer = kind(momentum=momentum, dtype=policy)
    layer.build(x.shape)
    layer.gamma.assign([0.5, 1, 2])
    layer.beta.assign([0, 1, -1])
    inputs = tf.cast(x, layer.compute_dtype)
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        outputs = layer(inputs, training=True)
        loss = tf.reduce_sum(tf.cast(outputs, "float32") ** 3)
    gradients = tape.gradient(loss, [inputs, layer.gamma.value, layer.beta.value])
    after = layer(inputs, training=False)
    found = [outputs, *gradients, layer.moving_mean.value, layer.moving_variance.value, after]
    return [tf.cast(part, "float32").numpy() for part in found]


@pytest.mark.parametrize(("policy", "tolerance"), [("float32", 1e-4), ("mixed_bfloat16", 0.02)])
def test_batch_normalisation_is_keras(policy, tolerance):
    x = np.random.default_rng(0).normal((1, 20, -3), (1, 4, 0.5), (2, 6, 6, 3)).astype(np.float32)
    if policy != "float32":
        x = tf.cast(tf.cast(x, "bfloat16"), "float32").numpy()
    ours = passed(fast_layers.FusedBatchNormalization, policy, x)
    theirs = passed(keras.layers.BatchNormalization, policy, x)
    assert len(ours) == 7
    for our, their in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(our, their, atol=tolerance * max(1, np.abs(their).max()))
    np.testing.assert_allclose(ours[5], 0.9 + 0.1 * x.var(axis=(0, 1, 2)), rtol=1e-3)


@pytest.mark.parametrize("policy", ["float32", "mixed_bfloat16"])
def test_dropout_drops_its_rate_and_keeps_the_mean(policy):
    layer = fast_layers.ShortDropout(0.05, seed=1, dtype=policy)
    x = tf.ones((3, 101, 101, 33), layer.compute_dtype)
    with tf.GradientTape() as tape:
        tape.watch(x)
        dropped = layer(x, training=True)
    again = layer(x, training=True)
    kept = dropped.numpy().astype(float)
    assert (kept == 0).mean() == pytest.approx(0.05, abs=0.001)
    assert np.unique(kept)[1:] == pytest.approx([1 / 0.95], rel=0.004)
    assert len(np.unique(kept)) == 2
    np.testing.assert_array_equal(tape.gradient(dropped, x).numpy().astype(float), kept)
    assert (again.numpy().astype(float) != kept).any()
    np.testing.assert_array_equal(layer(x, training=False), x)


def test_dropout_hits_neighbours_independently():
    kept = fast_layers.ShortDropout(0.5, seed=3)(tf.ones((1, 64, 64, 4)), training=True).numpy() > 0
    for axis in (1, 2, 3):
        both = (
            np.take(kept, range(1, kept.shape[axis]), axis) & np.take(kept, range(kept.shape[axis] - 1), axis)
        ).mean()
        assert both == pytest.approx(0.25, abs=0.02)


@pytest.mark.parametrize(("policy", "tolerance"), [("float32", 1e-4), ("mixed_bfloat16", 0.03)])
@pytest.mark.parametrize("architecture", unet.ARCHITECTURES)
def test_a_twin_predicts_what_the_network_predicts(architecture, policy, tolerance):
    keras.utils.set_random_seed(1)
    keras.config.set_dtype_policy(policy)
    model = unet.build_unet(architecture, (32, 32, 2), filters=4, levels=3, outputs=2)
    keras.config.set_dtype_policy("float32")
    rng = np.random.default_rng(0)
    model.set_weights(
        [
            weight * rng.uniform(0.8, 1.2, weight.shape) + 0.05 * (weight.ndim == 1)
            for weight in model.get_weights()
        ]
    )
    twin = fast_layers.with_fast_layers(model)
    kinds = [type(layer) for layer in twin.layers]
    assert keras.layers.BatchNormalization not in kinds
    assert keras.layers.Dropout not in kinds
    assert (
        [type(layer) for layer in model.layers].count(keras.layers.Dropout)
        == kinds.count(fast_layers.ShortDropout)
        > 0
    )
    image = rng.normal(size=(2, 32, 32, 2)).astype(np.float32)
    expected = model.predict_on_batch(image)
    assert expected.std() > 0.01, "a constant map shows nothing"
    np.testing.assert_allclose(twin.predict_on_batch(image), expected, atol=tolerance)
