"""The faster form of a network predicts what the network predicts."""

import keras
import numpy as np
import pytest
from keras import layers

from brightcell.inference import layer_fusion
from brightcell.nets import receptive_field, unet

SEED = 5  # the same inputs whichever tests run; untrained networks round by 0.002 to 0.1 in bfloat16, by what they are given


def lived_in(model: keras.Model) -> keras.Model:
    """Give the normalisations statistics as after a training, the biases other values than zero."""
    rng = np.random.default_rng(SEED)
    for layer in model.layers:
        values = layer.get_weights()
        if isinstance(layer, layers.BatchNormalization):
            low = np.array([0.5, -0.3, -0.3, 0.3])[:, None]
            values = list(rng.uniform(low, low + 1, (4, values[0].size)))
        elif values and isinstance(layer, layers.Conv2D | layers.Conv2DTranspose):
            values[1] = rng.normal(0, 0.2, values[1].shape)
        if values:
            layer.set_weights(values)
    return model


def images(channels: int) -> np.ndarray:
    return np.random.default_rng(SEED).normal(size=(2, 48, 32, channels)).astype(np.float32)


@pytest.mark.parametrize("architecture", list(unet.ARCHITECTURES))
@pytest.mark.parametrize("leaky_sums", [False, True])
def test_the_same_prediction_with_less_work(architecture, leaky_sums):
    model = lived_in(unet.build_unet(architecture, (None, None, 3), filters=8, levels=3, outputs=2))
    fast = layer_fusion.fuse_layers(model, leaky_sums=leaky_sums)
    assert not any(isinstance(layer, layers.BatchNormalization | layers.Dropout) for layer in fast.layers)
    assert receptive_field.operations(fast, 64, 64) < 0.9 * receptive_field.operations(model, 64, 64)
    given = images(3)
    expected = model(given, training=False).numpy()
    assert np.ptp(expected) > 0.1
    found = fast(given).numpy() if leaky_sums else fast.predict_on_batch(given)
    np.testing.assert_allclose(found, expected, atol=2e-5)


def test_bfloat16_is_computed_in_and_the_last_layer_is_not():
    model = lived_in(unet.build_unet("residual_attention", (None, None, 1), filters=8, levels=3))
    fast, given = layer_fusion.fuse_layers(model, "mixed_bfloat16"), images(1)
    assert {layer.compute_dtype for layer in fast.layers[1:-1]} == {"bfloat16"}
    found = fast.predict_on_batch(given)
    assert found.dtype == np.float32
    difference = np.abs(found - model(given, training=False).numpy())
    assert 0 < difference.max() < 0.05


def test_doubling_and_convolving_is_one_transposed_convolution():
    given = keras.Input((None, None, 2))
    plain = layers.Conv2D(3, 3, padding="same")
    model = keras.Model(given, plain(layers.UpSampling2D(2)(given)))
    wide = layers.Conv2DTranspose(3, 4, strides=2, padding="same")
    fast = keras.Model(given, wide(given))
    kernel, bias = plain.get_weights()
    wide.set_weights([layer_fusion.doubled_kernel(kernel), bias])
    picture = images(2)
    np.testing.assert_allclose(fast(picture), model(picture), atol=1e-5)


@pytest.mark.parametrize(("kernel", "strides"), [(5, 1), (1, 2), (2, 2), (3, 1), (1, 1)])
def test_any_convolution_of_doubled_and_joined_tensors(kernel, strides):
    given = keras.Input((None, None, 2))
    small = layers.MaxPooling2D(2)(given)
    joined = layers.Concatenate()([layers.UpSampling2D(2)(small), given])
    out = layers.Conv2D(3, kernel, strides=strides, padding="same", bias_initializer="ones")(joined)
    model = keras.Model(given, layers.Activation("sigmoid")(out))
    picture = images(2)
    np.testing.assert_allclose(layer_fusion.fuse_layers(model)(picture), model(picture), atol=1e-6)


@pytest.mark.parametrize(
    "layer",
    [
        layers.Conv2D(2, 3, padding="valid"),
        layers.Conv2D(2, 3, padding="same", activation="relu"),
        layers.Conv2D(2, 3, padding="same", groups=2),
        layers.UpSampling2D(2, interpolation="bilinear"),
        layers.UpSampling2D(3),
        layers.DepthwiseConv2D(3),
        layers.GroupNormalization(1),
    ],
    ids=lambda layer: layer.name,
)
def test_other_layers_are_left_alone(layer):
    given = keras.Input((None, None, 2))
    assert layer_fusion.fuse_layers(keras.Model(given, layer(given))) is None
