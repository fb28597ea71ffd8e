"""The three networks, against the study's parameter counts and its description of the blocks."""

import keras
import numpy as np
import pytest

from brightcell.errors import InputError
from brightcell.nets import unet

# Ghaznavi et al. 2022 (doi 10.1016/j.compbiomed.2022.105805): all and trainable parameters at 512 × 512 × 3.
PUBLISHED = {
    "simple": (31_402_501, 31_390_723),
    "attention": (37_334_665, 37_319_047),
    "residual_attention": (39_090_377, 39_068_871),
}
GATED = ("attention", "residual_attention")


def small(architecture, levels=4, **options):
    return unet.build_unet(architecture, (32, 32, 2), filters=4, levels=levels, **options)


def followers(model, name):
    """The layers that a layer's output goes into."""
    return [node.operation for node in model.get_layer(name)._outbound_nodes]


@pytest.mark.parametrize("architecture", PUBLISHED)
def test_parameters_are_as_published(architecture):
    assert unet.count_parameters(unet.build_unet(architecture)) == PUBLISHED[architecture]


@pytest.mark.parametrize("architecture", PUBLISHED)
def test_every_leaky_relu_has_slope_0_3(architecture):
    leaky = [layer for layer in small(architecture).layers if isinstance(layer, keras.layers.LeakyReLU)]
    assert len(leaky) == 14  # two a block, seven blocks of four levels
    for layer in leaky:
        np.testing.assert_allclose(keras.ops.convert_to_numpy(layer(np.array([-1.0, 2.0]))), [-0.3, 2.0])


@pytest.mark.parametrize("architecture", PUBLISHED)
def test_up_sampling_is_nearest_and_never_transposed(architecture):
    model = small(architecture)
    transposed = [layer for layer in model.layers if isinstance(layer, keras.layers.Conv2DTranspose)]
    assert all(layer.name.endswith("_phi_transposed") and layer.strides == (1, 1) for layer in transposed)
    assert len(transposed) == (3 if architecture in GATED else 0)
    ups = [model.get_layer(f"decoder{level}_up") for level in (1, 2, 3)]
    assert all(isinstance(up, keras.layers.UpSampling2D) and up.interpolation == "nearest" for up in ups)
    for level, up in enumerate(ups, start=1):
        joined = followers(model, up.name)
        assert [layer.name for layer in joined] == [f"decoder{level}_concatenate"]


@pytest.mark.parametrize("architecture", GATED)
def test_every_skip_passes_a_gate(architecture):
    model = small(architecture)
    for level in (1, 2, 3):
        sources = [
            tensor._keras_history.operation for tensor in model.get_layer(f"decoder{level}_concatenate").input
        ]
        assert sources[1].name == f"decoder{level}_attention_out_bn"
        gate = model.get_layer(f"decoder{level}_attention_multiply").input
        assert gate[0].shape[-1] == 1  # one coefficient a pixel, broadcast over channels


@pytest.mark.parametrize("architecture", GATED)
@pytest.mark.parametrize("part", ["theta", "phi", "phi_transposed", "psi"])
def test_gates_have_no_batch_normalisation_inside(architecture, part):
    model = small(architecture)
    for level in (1, 2, 3):
        after = followers(model, f"decoder{level}_attention_{part}")
        assert after
        assert not any(isinstance(layer, keras.layers.BatchNormalization) for layer in after)


@pytest.mark.parametrize("architecture", GATED)
def test_gate_ends_in_batch_normalisation_without_activation(architecture):
    model = small(architecture)
    assert [layer.name for layer in followers(model, "decoder1_attention_out_bn")] == ["decoder1_concatenate"]


@pytest.mark.parametrize("architecture", PUBLISHED)
@pytest.mark.parametrize(
    ("channels", "levels", "outputs", "size"), [(1, 2, 1, 6), (3, 4, 2, 24), (5, 3, 2, 16)]
)
def test_any_channels_levels_outputs(architecture, channels, levels, outputs, size):
    model = unet.build_unet(architecture, (None, None, channels), filters=3, levels=levels, outputs=outputs)
    predicted = model.predict_on_batch(np.ones((2, size, size + 2 ** (levels - 1), channels), np.float32))
    assert predicted.shape == (2, size, size + 2 ** (levels - 1), outputs)
    assert ((predicted > 0) & (predicted < 1)).all()


@pytest.mark.parametrize("architecture", PUBLISHED)
def test_saved_model_loads_in_safe_mode_and_predicts_the_same(architecture, tmp_path):
    model = small(architecture, outputs=2)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras", safe_mode=True)
    image = np.random.default_rng(1).normal(size=(1, 32, 32, 2)).astype(np.float32)
    np.testing.assert_array_equal(model.predict_on_batch(image), loaded.predict_on_batch(image))
    assert not any(isinstance(layer, keras.layers.Lambda) for layer in loaded.layers)


def test_sizes_that_cannot_be_halved_are_refused():
    with pytest.raises(InputError, match="multiples of 16, found 500 × 512"):
        unet.build_unet("simple", (500, 512, 3))


def test_unknown_network_is_refused():
    with pytest.raises(InputError, match="expected one of simple, attention, residual_attention"):
        unet.build_unet("dense")
