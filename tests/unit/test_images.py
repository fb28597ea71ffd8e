import warnings

import imagecodecs
import numpy as np
import pytest
import tifffile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from skimage import io

from brightcell import images
from brightcell.errors import InputError

quick = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def save(path, array, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if path.suffix == ".tif":
            tifffile.imwrite(path, array, **options)
        elif path.suffix == ".png" and array.dtype == np.uint16:
            path.write_bytes(imagecodecs.png_encode(array))
        else:
            io.imsave(path, array, check_contrast=False)
    return path


def two_squares(dtype=np.uint8, first=1, second=1):
    mask = np.zeros((20, 30), dtype)
    mask[2:8, 2:8], mask[10:18, 12:20] = first, second
    return mask


@pytest.mark.parametrize("suffix", [".tif", ".png"])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("shape", [(12, 17), (12, 17, 3)])
def test_images_come_back_unchanged(tmp_path, suffix, dtype, shape):
    image = np.random.default_rng(1).integers(0, np.iinfo(dtype).max, shape, dtype=dtype)
    read = images.read_image(save(tmp_path / f"a{suffix}", image))
    assert read.dtype == dtype
    np.testing.assert_array_equal(read, np.atleast_3d(image))


def test_channels_may_stand_first_and_alpha_is_dropped(tmp_path):
    image = np.random.default_rng(1).integers(0, 255, (12, 17, 4), dtype=np.uint8)
    first = save(tmp_path / "a.tif", np.moveaxis(image[..., :3], -1, 0), photometric="minisblack")
    np.testing.assert_array_equal(images.read_image(first), image[..., :3])
    np.testing.assert_array_equal(images.read_image(save(tmp_path / "b.png", image)), image[..., :3])


def test_a_missing_image(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        images.read_image(tmp_path / "a.tif")


def test_an_unknown_format(tmp_path):
    (tmp_path / "a.czi").write_bytes(b"x")
    with pytest.raises(InputError, match=r"format \.czi is not read.*Fiji"):
        images.read_image(tmp_path / "a.czi")


@pytest.mark.parametrize("suffix", [".tif", ".png", ".jpg"])
@pytest.mark.parametrize("share", [0, 0.02, 0.5, 0.9])
def test_a_truncated_image(tmp_path, suffix, share):
    image = np.random.default_rng(1).integers(0, 255, (60, 70), dtype=np.uint8)
    path = save(tmp_path / f"a{suffix}", image)
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(InputError, match="damaged or truncated") as raised:
        images.read_image(path)
    assert str(path) in str(raised.value)


def test_a_stack_is_not_a_frame(tmp_path):
    path = save(tmp_path / "a.tif", np.zeros((9, 20, 30), np.uint8), photometric="minisblack")
    with pytest.raises(InputError, match="no single frame"):
        images.read_image(path)


def test_an_image_with_nan(tmp_path):
    image = np.zeros((9, 8), np.float32)
    image[3, 3] = np.nan
    with pytest.raises(InputError, match="1 pixels are NaN"):
        images.read_image(save(tmp_path / "a.tif", image))


@pytest.mark.parametrize("value", [1, 255])
def test_a_binary_mask_is_split_into_its_pieces(tmp_path, value):
    labels, mask_type = images.read_mask(save(tmp_path / "a.png", two_squares(first=value, second=value)))
    assert (mask_type, labels.dtype, labels.max()) == ("binary", np.int32, 2)
    assert np.bincount(labels.ravel())[1:].tolist() == [36, 64]


def test_pieces_that_touch_at_a_corner_are_one_cell(tmp_path):
    mask = np.eye(8, dtype=np.uint8)
    assert images.read_mask(save(tmp_path / "a.tif", mask))[0].max() == 1


def test_a_mask_of_two_values_without_a_zero(tmp_path):
    labels, mask_type = images.read_mask(save(tmp_path / "a.tif", two_squares() + 4))
    assert mask_type == "binary"
    np.testing.assert_array_equal(labels > 0, two_squares() > 0)


def test_a_mask_of_fractions_is_binary(tmp_path):
    labels, mask_type = images.read_mask(save(tmp_path / "a.tif", two_squares().astype(np.float32) / 255))
    assert (mask_type, labels.max()) == ("binary", 2)


def test_numbers_of_cells_are_kept(tmp_path):
    mask = two_squares(np.uint16, 300, 65535)
    labels, mask_type = images.read_mask(save(tmp_path / "a.png", mask))
    assert mask_type == "instances"
    np.testing.assert_array_equal(labels, mask)


def test_the_mask_type_can_be_declared(tmp_path):
    one = save(tmp_path / "one.tif", two_squares(first=7, second=7))
    assert np.unique(images.read_mask(one, "instances")[0]).tolist() == [0, 7]
    several = save(tmp_path / "several.tif", two_squares(first=3, second=200))
    labels, mask_type = images.read_mask(several, "binary")
    assert (mask_type, np.bincount(labels.ravel())[1:].tolist()) == ("binary", [36, 64])


def test_a_jpeg_mask_is_binary_and_does_not_grow(tmp_path):
    mask = two_squares(first=255, second=255).repeat(9, 0).repeat(9, 1)
    path = save(tmp_path / "a.jpg", mask)
    assert len(np.unique(images.read_pixels(path))) > 2
    labels, mask_type = images.read_mask(path)
    assert (mask_type, labels.max()) == ("binary", 2)
    assert ((labels > 0) == (mask > 0)).mean() > 0.999
    with pytest.raises(InputError, match="JPEG"):
        images.read_mask(path, "instances")
    numbers = save(tmp_path / "b.jpg", two_squares(first=100, second=200).repeat(8, 0).repeat(8, 1))
    with pytest.raises(InputError, match="Expected TIFF or PNG"):
        images.read_mask(numbers)


@pytest.mark.parametrize(
    ("mask", "message"),
    [
        (np.random.default_rng(1).integers(0, 255, (9, 9, 3), dtype=np.uint8), "a coloured mask"),
        (np.linspace(0, 3, 100, dtype=np.float32).reshape(10, 10), "fractions or NaN"),
        (np.full((9, 9), np.nan, np.float32), "fractions or NaN"),
        (np.array([[0, -1, 2]] * 3, np.int16), "mask values from -1 to 2"),
        (np.array([[0, 1, 2**32 - 1]] * 3, np.uint32), "to 4294967295"),
        (np.zeros((9, 20, 30), np.uint8), "Expected height × width"),
    ],
)
def test_masks_that_are_refused(tmp_path, mask, message):
    options = {} if mask.shape[-1] == 3 else {"photometric": "minisblack"}
    with pytest.raises(InputError, match=message):
        images.read_mask(save(tmp_path / "a.tif", mask, **options))


def test_a_grey_mask_saved_in_colour_is_read(tmp_path):
    mask = np.stack([two_squares(first=1, second=2)] * 3, axis=-1)
    assert images.read_mask(save(tmp_path / "a.png", mask))[0].max() == 2


shapes = hnp.array_shapes(min_dims=2, max_dims=2, min_side=2, max_side=12)
ids = st.sampled_from([0, 1, 2, 255, 256, 65535, 65536, 2**31 - 1])


@quick
@given(hnp.arrays(np.int32, shapes, elements=ids))
def test_any_number_of_a_cell_survives_a_stack(tmp_path, labels):
    images.write_stack(tmp_path / "s.tif", [("a", labels), ("b", labels[::-1])])
    read = images.read_stack(tmp_path / "s.tif")
    np.testing.assert_array_equal(read["a"], labels)
    np.testing.assert_array_equal(read["b"], labels[::-1])
    assert read["a"].dtype == np.int32


@quick
@given(hnp.arrays(np.uint32, shapes, elements=ids))
def test_any_number_of_a_cell_survives_reading(tmp_path, labels):
    path = save(tmp_path / "a.tif", labels, photometric="minisblack")
    np.testing.assert_array_equal(images.read_mask(path, "instances")[0], labels)


@quick
@given(
    st.lists(
        st.from_regex(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,20}", fullmatch=True),
        unique=True,
        min_size=1,
        max_size=4,
    ),
    st.sampled_from([np.uint8, np.uint16, np.float32]),
    st.integers(1, 4),
    st.integers(0, 99),
)
def test_a_stack_keeps_names_order_sizes_and_types(tmp_path, names, dtype, channels, seed):
    random = np.random.default_rng(seed)
    pages = [
        (name, (random.random((*random.integers(2, 20, 2), channels)) * 200).astype(dtype)) for name in names
    ]
    images.write_stack(tmp_path / "s.tif", pages)
    read = list(images.iterate_stack(tmp_path / "s.tif"))
    assert [name for name, _ in read] == names
    for (_, written), (_, page) in zip(pages, read, strict=True):
        assert page.dtype == dtype
        np.testing.assert_array_equal(np.atleast_3d(page), written)
    assert list(images.read_stack(tmp_path / "s.tif", names[:1])) == names[:1]


def test_a_stack_appears_whole_or_not_at_all(tmp_path):
    def pages():
        yield "a", np.zeros((4, 4), np.uint8)
        raise RuntimeError

    with pytest.raises(RuntimeError):
        images.write_stack(tmp_path / "s.tif", pages())
    assert list(tmp_path.iterdir()) == []


def test_probabilities_in_16_bits():
    values = np.linspace(0, 1, 1001, dtype=np.float32)
    assert np.abs(images.from_uint16(images.to_uint16(values)) - values).max() < 1e-5


@pytest.mark.parametrize("factor", [0.5, 0.37, 1.6])
def test_image_and_labels_keep_their_match_when_rescaled(factor):
    rows, columns = np.mgrid[:101, :140]
    disc = (rows - 50) ** 2 + (columns - 60) ** 2 < 30**2
    labels = images.rescale_labels(disc * np.int32(70000), factor)
    image = images.rescale_image(disc[..., None].astype(np.uint8) * 200, factor)
    assert image.shape == (*labels.shape, 1)
    assert image.dtype == np.float32
    assert set(np.unique(labels)) == {0, 70000}
    assert ((image[..., 0] > 100) == (labels > 0)).mean() > 0.99
    assert (labels > 0).mean() == pytest.approx(disc.mean(), rel=0.03)


def test_rescaling_by_one_changes_nothing():
    image = np.arange(12, dtype=np.uint16).reshape(3, 4, 1)
    assert images.rescale_image(image, 1) is image


def test_normalise_brings_percentiles_to_0_and_1():
    image = np.stack([np.arange(10_000).reshape(100, 100)] * 2, axis=-1) * [1, 3] + [0, 500]
    frame = images.normalise(image, (1, 99))
    assert frame.dtype == np.float32
    for channel in range(2):
        np.testing.assert_allclose(np.percentile(frame[..., channel], [1, 99]), [0, 1], atol=1e-3)
    assert not images.normalise(np.full((5, 5, 1), 7, np.uint8)).any()


def test_outlines_separate_touching_cells():
    labels = np.zeros((10, 12), np.int32)
    labels[2:8, 2:6], labels[2:8, 6:10] = 1, 2
    lines = images.outlines(labels)
    assert lines[4, [2, 5, 6, 9]].all()
    assert not lines[4, [3, 4, 7, 8]].any()
    assert not lines[labels == 0].any()


@pytest.mark.parametrize(("extra", "channels"), [("unspecified", 4), ("unassalpha", 3)])
def test_only_what_a_tiff_calls_alpha_is_dropped(tmp_path, extra, channels):
    pixels = np.random.default_rng(0).integers(0, 255, (8, 9, 4), np.uint8)
    tifffile.imwrite(tmp_path / "a.tif", pixels, photometric="rgb", extrasamples=[extra])
    np.testing.assert_array_equal(images.read_image(tmp_path / "a.tif"), pixels[..., :channels])
