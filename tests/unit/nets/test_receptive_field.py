"""How far a network sees and what it costs, against what its gradient and the literature say."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from brightcell.errors import InputError
from brightcell.nets import receptive_field, unet


@pytest.mark.parametrize(
    ("architecture", "gigaflop"), [("simple", 445.5), ("attention", 488.4), ("residual_attention", 518.6)]
)
def test_operations_of_the_networks_of_the_study(architecture, gigaflop):
    model = unet.build_unet(architecture)
    assert receptive_field.operations(model, 512, 512) / 1e9 == pytest.approx(gigaflop, abs=0.05)


def influence(model: keras.Model, side: int, place: int) -> np.ndarray:
    """Which columns of an image change the output in a pixel of the middle row: sums of absolute gradients."""
    rng = np.random.default_rng(place)
    total = np.zeros(side)
    for _ in range(3):  # rectifiers and pooling let different pixels through each time
        image = tf.constant(rng.normal(size=(1, side, side, 1)).astype(np.float32))
        with tf.GradientTape() as tape:
            tape.watch(image)
            value = model(image, training=False)[0, side // 2, place, 0]
        total += np.abs(tape.gradient(value, image)).sum(axis=(0, 1, 3))
    return total


@pytest.mark.parametrize("architecture", list(unet.ARCHITECTURES))
@pytest.mark.parametrize("levels", [2, 3])
def test_no_pixel_beyond_the_receptive_field_has_influence(architecture, levels):
    keras.utils.set_random_seed(1)
    model = unet.build_unet(architecture, (None, None, 1), filters=6, levels=levels)
    head = keras.Model(model.input, model.get_layer("head_bn").output)  # a sigmoid may saturate
    radius, side, period = receptive_field.receptive_radius(model), 96, 2 ** (levels - 1)
    reached = 0
    for place in range(side // 2, side // 2 + period):
        seen = np.flatnonzero(influence(head, side, place))
        assert place - radius <= seen.min() and seen.max() <= place + radius
        reached = max(reached, place - seen.min(), seen.max() - place)
    assert reached >= radius - 2, "the radius is no more than a pixel or two too large"


def test_radius_of_layers_with_known_reach():
    inputs = keras.Input((None, None, 1))
    x = layers.Conv2D(2, 3, padding="same")(inputs)  # 1
    x = layers.MaxPooling2D(2)(x)  # + 1
    x = layers.Conv2D(2, 3, padding="same")(x)  # + 2 on the coarse raster
    assert receptive_field.receptive_radius(keras.Model(inputs, layers.UpSampling2D(2)(x))) == 4 + 0
    assert receptive_field.receptive_radius(keras.Model(inputs, layers.ReLU()(inputs))) == 0


def test_an_unknown_layer_is_named():
    inputs = keras.Input((8, 8, 1))
    model = keras.Model(inputs, layers.GlobalAveragePooling2D(name="everything")(inputs))
    with pytest.raises(InputError, match=r"everything.*GlobalAveragePooling2D.*prediction\.overlap"):
        receptive_field.receptive_radius(model)
