import io
import struct
import sys
import zlib

import imagecodecs
import numpy as np
import pytest
import tifffile
from pictures import save
from PIL import Image

from brightcell.errors import InputError
from brightcell.io import image_file, readers
from brightcell.io.vendor import VENDOR_PACKAGES


def noise(*shape, dtype=np.uint16, seed=1):
    return np.random.default_rng(seed).integers(0, 250, shape).astype(dtype)


@pytest.mark.parametrize("suffix", [".tif", ".png"])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("shape", [(12, 17), (12, 17, 3)])
def test_images_come_back_unchanged(tmp_path, suffix, dtype, shape):
    image = np.random.default_rng(1).integers(0, np.iinfo(dtype).max, shape, dtype=dtype)
    read = readers.read_image(save(tmp_path / f"a{suffix}", image))
    assert read.dtype == dtype
    np.testing.assert_array_equal(read, np.atleast_3d(image))


def test_channels_may_stand_first_and_alpha_is_dropped(tmp_path):
    image = np.random.default_rng(1).integers(0, 255, (12, 17, 4), dtype=np.uint8)
    first = save(tmp_path / "a.tif", np.moveaxis(image[..., :3], -1, 0), photometric="minisblack")
    np.testing.assert_array_equal(readers.read_image(first), image[..., :3])
    np.testing.assert_array_equal(readers.read_image(save(tmp_path / "b.png", image)), image[..., :3])


def test_a_missing_image(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        readers.read_image(tmp_path / "a.tif")


def test_an_unknown_format(tmp_path):
    (tmp_path / "a.abc").write_bytes(b"x")
    with pytest.raises(InputError, match=r"format \.abc is not read.*Fiji"):
        readers.read_image(tmp_path / "a.abc")


@pytest.mark.parametrize(("suffix", "package"), [(".czi", "pylibCZIrw"), *VENDOR_PACKAGES.items()])
def test_a_format_whose_reader_is_missing(tmp_path, monkeypatch, suffix, package):
    monkeypatch.setitem(sys.modules, package, None)
    (tmp_path / f"a{suffix}").write_bytes(b"x") if suffix != ".zarr" else (tmp_path / "a.zarr").mkdir()
    with pytest.raises(
        InputError, match=rf"{package.replace('_', '-')}, which is not installed.*make formats"
    ):
        readers.read_image(tmp_path / f"a{suffix}")


@pytest.mark.parametrize("suffix", [".tif", ".png", ".jpg"])
@pytest.mark.parametrize("share", [0, 0.02, 0.5, 0.9])
def test_a_truncated_image(tmp_path, suffix, share):
    image = np.random.default_rng(1).integers(0, 255, (60, 70), dtype=np.uint8)
    path = save(tmp_path / f"a{suffix}", image)
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(InputError, match="damaged or truncated") as raised:
        readers.read_image(path)
    assert str(path) in str(raised.value)


def test_a_stack_is_not_a_frame(tmp_path):
    path = save(tmp_path / "a.tif", np.zeros((9, 20, 30), np.uint8), photometric="minisblack")
    with pytest.raises(InputError, match="a stack of 9 pages"):
        readers.read_image(path)


def test_an_image_with_nan(tmp_path):
    image = np.zeros((9, 8), np.float32)
    image[3, 3] = np.nan
    with pytest.raises(InputError, match="1 pixel is NaN"):
        readers.read_image(save(tmp_path / "a.tif", image))


@pytest.mark.parametrize(("extra", "channels"), [("unspecified", 4), ("unassalpha", 3)])
def test_only_what_a_tiff_calls_alpha_is_dropped(tmp_path, extra, channels):
    pixels = np.random.default_rng(0).integers(0, 255, (8, 9, 4), np.uint8)
    tifffile.imwrite(tmp_path / "a.tif", pixels, photometric="rgb", extrasamples=[extra])
    np.testing.assert_array_equal(readers.read_image(tmp_path / "a.tif"), pixels[..., :channels])


@pytest.mark.parametrize("byteorder", ["<", ">"])
@pytest.mark.parametrize(
    "options",
    [
        {"bigtiff": True},
        {"tile": (16, 32)},
        {"rowsperstrip": 5},
        {"compression": "lzw"},
        {"compression": "deflate", "predictor": True},
        {"compression": "zstd", "tile": (32, 32)},
        {"compression": "packbits"},
        {"photometric": "miniswhite"},
    ],
    ids=str,
)
def test_tiffs_of_every_making(tmp_path, byteorder, options):
    image = noise(50, 70)
    path = save(tmp_path / "a.tif", image, byteorder=byteorder, **options)
    np.testing.assert_array_equal(readers.read_image(path)[..., 0], image)


@pytest.mark.parametrize("dtype", ["u1", "u2", "u4", "i2", "i4", "f2", "f4", "f8"])
def test_tiffs_of_every_depth(tmp_path, dtype):
    image = noise(20, 30, dtype=dtype)
    read = readers.read_image(save(tmp_path / "a.tif", image))
    assert read.dtype == np.dtype(dtype)
    np.testing.assert_array_equal(read[..., 0], image)


def test_complex_numbers_are_no_image(tmp_path):
    with pytest.raises(InputError, match="whole or real numbers"):
        readers.read_image(save(tmp_path / "a.tif", np.ones((9, 9), np.complex64)))


@pytest.mark.parametrize("bits", [10, 12])
def test_packed_bits_are_unpacked(tmp_path, bits):
    height, width = 16, 24
    image = np.random.default_rng(1).integers(0, 2**bits, (height, width)).astype(np.uint16)
    data = np.packbits(
        [[int(bit) for value in row for bit in f"{value:0{bits}b}"] for row in image], axis=1
    ).tobytes()
    tags = {256: width, 257: height, 258: bits, 259: 1, 262: 1, 273: 8, 277: 1, 278: height, 279: len(data)}
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags.items())
    header = struct.pack("<2sHI", b"II", 42, 8 + len(data))
    (tmp_path / "a.tif").write_bytes(header + data + struct.pack("<H", len(tags)) + entries + bytes(4))
    np.testing.assert_array_equal(readers.read_image(tmp_path / "a.tif")[..., 0], image)


def test_a_tiff_compressed_as_jpeg(tmp_path):
    smooth = np.add.outer(np.arange(64), np.arange(64)).astype(np.uint8)
    path = save(tmp_path / "a.tif", smooth, compression="jpeg", compressionargs={"level": 98})
    assert np.abs(readers.read_image(path)[..., 0].astype(int) - smooth).max() <= 4


def test_planes_stored_one_after_the_other(tmp_path):
    image = noise(12, 17, 3, dtype=np.uint8)
    path = save(tmp_path / "a.tif", np.moveaxis(image, -1, 0), photometric="rgb", planarconfig="separate")
    np.testing.assert_array_equal(readers.read_image(path), image)


def test_two_channels_at_the_end(tmp_path):
    image = noise(12, 17, 2)
    np.testing.assert_array_equal(readers.read_image(save(tmp_path / "a.tif", image)), image)


def test_a_palette_becomes_its_colours_and_greys_one_channel(tmp_path):
    indices = noise(12, 17, dtype=np.uint8)
    colours = np.random.default_rng(2).integers(0, 256, (3, 256)).astype(np.uint16)
    path = save(tmp_path / "a.tif", indices, photometric="palette", colormap=colours * 257)
    np.testing.assert_array_equal(readers.read_image(path), colours.T[indices])
    picture = Image.fromarray(indices, "P")
    picture.putpalette(np.repeat(np.arange(256, dtype=np.uint8)[::-1], 3).tobytes())
    picture.save(tmp_path / "grey.png")
    np.testing.assert_array_equal(readers.read_image(tmp_path / "grey.png")[..., 0], 255 - indices)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_jpeg_stands_upright(tmp_path, orientation):
    upright = np.zeros((32, 48), np.uint8)
    upright[:16, :16] = 200  # top left
    stored = {
        1: upright,
        2: upright[:, ::-1],
        3: upright[::-1, ::-1],
        4: upright[::-1],
        5: upright.T,
        6: upright.T[::-1],
        7: upright.T[::-1, ::-1],
        8: upright.T[:, ::-1],
    }[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(stored).save(tmp_path / "a.jpg", quality=98, exif=exif)
    with readers.open_image_file(tmp_path / "a.jpg") as recording:
        read = readers.frame_of(recording)[..., 0]
        assert bool(recording.notes) == (orientation > 1)
    assert read.shape == upright.shape
    assert np.abs(read.astype(int) - upright).max() < 10


def test_an_orientation_tag_of_a_tiff_is_told_and_not_followed(tmp_path):
    image = noise(12, 17)
    path = save(tmp_path / "a.tif", image, extratags=[(274, "H", 1, 3, True)])
    with readers.open_image_file(path) as recording:
        np.testing.assert_array_equal(readers.frame_of(recording)[..., 0], image)
        assert "orientation tag (3)" in recording.notes[0]


@pytest.mark.parametrize(("suffix", "called"), [(".png", "a.tif"), (".tif", "a.jpg"), (".tif", "a.czi")])
def test_what_a_file_is_counts_not_what_it_is_called(tmp_path, suffix, called):
    image = noise(12, 17, dtype=np.uint8)
    save(tmp_path / f"b{suffix}", image).rename(tmp_path / called)
    np.testing.assert_array_equal(readers.read_image(tmp_path / called)[..., 0], image)


def test_a_picture_that_would_fill_the_memory_is_refused(tmp_path):
    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 0, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(bytes(1000))), (b"IEND", b"")]
    (tmp_path / "a.png").write_bytes(
        b"\x89PNG\r\n\x1a\n"
        + b"".join(
            struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
            for name, body in chunks
        )
    )
    with pytest.raises(InputError, match="60,000 × 60,000 px in one frame"):
        readers.read_image(tmp_path / "a.png")


def test_a_folder_is_no_image(tmp_path):
    with pytest.raises(InputError, match="a folder"):
        readers.read_image(tmp_path)


STACKS = {
    "plain": {"photometric": "minisblack"},
    "without description": {"photometric": "minisblack", "metadata": None},
    "compressed": {"photometric": "minisblack", "compression": "zlib"},
    "ImageJ": {"imagej": True, "metadata": {"axes": "TYX"}},
    "ImageJ slices": {"imagej": True, "metadata": {"axes": "ZYX"}},
}


@pytest.mark.parametrize("pages", [3, 7])
@pytest.mark.parametrize("options", STACKS.values(), ids=STACKS)
def test_a_page_of_a_stack(tmp_path, options, pages):
    stack = noise(pages, 20, 30)
    path = save(tmp_path / "a.tif", stack, **options)
    with readers.open_image_file(path, stacked=True) as recording:
        assert recording.pages == pages
        for page in reversed(range(pages)):
            np.testing.assert_array_equal(readers.frame_of(recording, page)[..., 0], stack[page])
        with pytest.raises(InputError, match=f"asks for page {pages}; the file has {pages}, numbered from 0"):
            readers.frame_of(recording, pages)


def test_frames_that_a_program_calls_channels(tmp_path):
    stack = noise(7, 20, 30)
    path = save(tmp_path / "a.tif", stack, imagej=True, metadata={"axes": "CYX"})
    np.testing.assert_array_equal(readers.read_image(path, 5)[..., 0], stack[5])
    np.testing.assert_array_equal(readers.read_image(path, channels=[5])[..., 0], stack[5])
    with pytest.raises(InputError, match="7 channels"):
        readers.read_image(path)


def test_a_stack_without_page_is_refused(tmp_path):
    path = save(tmp_path / "a.tif", noise(9, 20, 30), photometric="minisblack")
    with pytest.raises(InputError, match=r"a stack of 9 pages.*column `page`, from 0 to 8"):
        readers.read_image(path)


def test_pages_of_several_sizes(tmp_path):
    with tifffile.TiffWriter(tmp_path / "a.tif") as writer:
        for side in (20, 30, 40):
            writer.write(np.full((side, 50), side, np.uint8), metadata=None)
    for page, side in enumerate((20, 30, 40)):
        assert readers.read_image(tmp_path / "a.tif", page).shape == (side, 50, 1)


def test_time_and_channels_of_an_imagej_hyperstack(tmp_path):
    stack = noise(5, 2, 20, 30)
    path = save(tmp_path / "a.tif", stack, imagej=True, metadata={"axes": "TCYX"})
    np.testing.assert_array_equal(readers.read_image(path, 3), np.moveaxis(stack[3], 0, -1))
    np.testing.assert_array_equal(readers.read_image(path, 3, channels=[1])[..., 0], stack[3, 1])
    with pytest.raises(InputError, match="asks for channel 2; the file has 2"):
        readers.read_image(path, 3, channels=[2])


def test_an_imagej_stack_that_describes_its_first_page_alone(tmp_path):
    stack = noise(6, 20, 30)
    tifffile.imwrite(tmp_path / "a.tif", stack, imagej=True, metadata={"axes": "TYX"}, truncate=True)
    with tifffile.TiffFile(tmp_path / "a.tif") as file:
        assert len(file.pages) == 1
    np.testing.assert_array_equal(readers.read_image(tmp_path / "a.tif", 4)[..., 0], stack[4])


@pytest.mark.parametrize("axes", ["TCYX", "CTYX", "TZYX", "ZCYX"])
def test_axes_of_an_ome_tiff(tmp_path, axes):
    stack = noise(4, 3, 20, 30)
    path = save(tmp_path / "a.ome.tif", stack, photometric="minisblack", metadata={"axes": axes})
    expected = np.moveaxis(stack, axes.index("C"), -1) if "C" in axes else stack.reshape(12, 20, 30, 1)
    with readers.open_image_file(path) as recording:
        assert recording.pages == len(expected)
        for page, frame in enumerate(expected):
            np.testing.assert_array_equal(readers.frame_of(recording, page), frame)


def test_scenes_of_an_ome_tiff(tmp_path):
    first, second = noise(3, 20, 30), noise(3, 24, 36)
    with tifffile.TiffWriter(tmp_path / "a.ome.tif", ome=True) as writer:
        writer.write(first, photometric="minisblack", metadata={"axes": "TYX", "Name": "dish 1"})
        writer.write(second, photometric="minisblack", metadata={"axes": "TYX", "Name": "dish 2"})
    for scene in ("dish 2", "1"):
        np.testing.assert_array_equal(readers.read_image(tmp_path / "a.ome.tif", 2, scene)[..., 0], second[2])
    with pytest.raises(InputError, match=r"2 scenes \(dish 1, dish 2\).*column `scene`"):
        readers.read_image(tmp_path / "a.ome.tif", 0)
    with pytest.raises(InputError, match="no scene 'dish 3'"):
        readers.read_image(tmp_path / "a.ome.tif", 0, "dish 3")


SIZES = {
    "ome µm": ({"ome": True, "metadata": {"PhysicalSizeX": 0.65, "PhysicalSizeXUnit": "µm"}}, 0.65),
    "ome nm": ({"ome": True, "metadata": {"PhysicalSizeX": 650, "PhysicalSizeXUnit": "nm"}}, 0.65),
    "imagej": ({"imagej": True, "resolution": (1 / 0.65, 1 / 0.65), "metadata": {"unit": "um"}}, 0.65),
    "imagej micron": ({"imagej": True, "resolution": (4, 4), "metadata": {"unit": "micron"}}, 0.25),
    "imagej pixels": ({"imagej": True, "metadata": {"unit": "pixel"}}, None),
    "cm": ({"resolution": (20_000, 20_000), "resolutionunit": "CENTIMETER"}, 0.5),
    "inch": ({"resolution": (50_800, 50_800), "resolutionunit": "INCH"}, 0.5),
    "print": ({"resolution": (300, 300), "resolutionunit": "INCH"}, None),
    "none": ({"resolution": (3, 3), "resolutionunit": "NONE"}, None),
    "plain": ({}, None),
}


@pytest.mark.parametrize(("options", "size"), SIZES.values(), ids=SIZES)
def test_the_pixel_size_that_a_tiff_tells(tmp_path, options, size):
    tifffile.imwrite(tmp_path / "a.tif", noise(20, 30), **options)
    with readers.open_image_file(tmp_path / "a.tif") as recording:
        assert recording.pixel_size_um == (None if size is None else pytest.approx(size, rel=1e-4))
        assert bool(recording.size_source) == (size is not None)


def test_pixels_that_are_not_square_are_told(tmp_path):
    metadata = {"PhysicalSizeX": 0.5, "PhysicalSizeY": 0.7}
    tifffile.imwrite(tmp_path / "a.tif", noise(20, 30), ome=True, metadata=metadata)
    with readers.open_image_file(tmp_path / "a.tif") as recording:
        assert "0.5 × 0.7 µm are not square" in recording.notes[0]


def test_a_page_is_read_without_the_others(tmp_path, monkeypatch):
    path = save(tmp_path / "a.tif", noise(40, 20, 30), photometric="minisblack", compression="zlib")
    with readers.open_image_file(path, stacked=True) as recording:
        read = []
        plain = tifffile.TiffPage.asarray
        monkeypatch.setattr(
            tifffile.TiffPage,
            "asarray",
            lambda page, *a, **k: read.append(page.index) or plain(page, *a, **k),
        )
        recording.read(17)
    assert read == [17]


def test_a_transparent_grey_png(tmp_path):
    pixels = noise(12, 17, 2, dtype=np.uint8)
    Image.fromarray(pixels, "LA").save(tmp_path / "a.png")
    np.testing.assert_array_equal(readers.read_image(tmp_path / "a.png")[..., 0], pixels[..., 0])


@pytest.mark.parametrize("bits", [1, 2, 4])
def test_pngs_of_few_bits(tmp_path, bits):
    picture = Image.fromarray((noise(12, 17, dtype=np.uint8) % 2 * 255).astype(np.uint8))
    file = io.BytesIO()
    picture.convert("1").save(file, "PNG") if bits == 1 else picture.quantize(2**bits).save(
        file, "PNG", bits=bits
    )
    (tmp_path / "a.png").write_bytes(file.getvalue())
    read = readers.read_image(tmp_path / "a.png")
    np.testing.assert_array_equal(read[..., 0] > 0, np.asarray(picture) > 0)


def test_16_bit_colour_keeps_its_depth(tmp_path):
    image = np.random.default_rng(1).integers(0, 65536, (12, 17, 3)).astype(np.uint16)
    (tmp_path / "a.png").write_bytes(imagecodecs.png_encode(image))
    np.testing.assert_array_equal(readers.read_image(tmp_path / "a.png"), image)


def write_ome_files(folder, files, size="", channels=1, times=3):
    """Write an OME-TIFF in several files, each of which describes all; `files` has the (c, t) of each one's pages."""
    ids = [f"urn:uuid:00000000-0000-0000-0000-00000000000{number}" for number in range(len(files))]
    data = "".join(
        f'<TiffData FirstC="{c}" FirstT="{t}" FirstZ="0" IFD="{page}" PlaneCount="1">'
        f'<UUID FileName="a_{number}.ome.tif">{ids[number]}</UUID></TiffData>'
        for number, pages in enumerate(files)
        for page, (c, t) in enumerate(pages)
    )
    paths = []
    for number, pages in enumerate(files):
        xml = (
            '<?xml version="1.0" encoding="UTF-8"?><OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06" '
            f'UUID="{ids[number]}"><Image ID="Image:0"><Pixels ID="Pixels:0" DimensionOrder="XYCZT" Type="uint8" SizeX="9" '
            f'SizeY="8" SizeC="{channels}" SizeZ="1" SizeT="{times}" {size}>{data}</Pixels></Image></OME>'
        )
        stack = np.stack([np.full((8, 9), 10 * c + t, np.uint8) for c, t in pages])
        paths.append(folder / f"a_{number}.ome.tif")
        tifffile.imwrite(paths[-1], stack, photometric="minisblack", description=xml, metadata=None)
    return paths


def test_of_an_ome_tiff_in_several_files_each_holds_its_own_frames(tmp_path):
    for number, path in enumerate(write_ome_files(tmp_path, [[(0, 0)], [(0, 1)], [(0, 2)]])):
        with readers.open_image_file(path) as file:
            assert (file.pages, file.read().max()) == (1, number)
    first, second = write_ome_files(
        tmp_path, [[(0, 0), (1, 0), (0, 1), (1, 1)], [(0, 2), (1, 2)]], channels=2
    )
    with readers.open_image_file(first) as file:
        assert (file.axes, file.planes) == ((("T", 2),), 2)
        assert [file.read(page)[0, 0].tolist() for page in (0, 1)] == [[0, 10], [1, 11]]
    second.rename(tmp_path / "b.tif")  # the files need not lie together
    with readers.open_image_file(first) as file:
        assert file.pages == 2


def test_a_file_with_half_the_channels_of_its_frames_is_refused(tmp_path):
    first, _ = write_ome_files(tmp_path, [[(0, 0), (1, 0), (0, 1)], [(1, 1), (0, 2), (1, 2)]], channels=2)
    with pytest.raises(InputError, match="3 of 6 pictures, not all channels of each frame"):
        readers.open_image_file(first)


@pytest.mark.parametrize(
    ("unit", "size"),
    [
        ("micrometers", 0.5),
        ("Micrometre", 0.5),
        ("pm", 5e-7),
        ("µm", 0.5),
        ("nm", 5e-4),
        ("inches", 12700),
        ("pixel", None),
    ],
)
def test_units_of_length(unit, size):
    assert image_file.micrometres(0.5, unit) == (None if size is None else pytest.approx(size))


@pytest.mark.parametrize("axes", ["TZYX", "ZTYX", "ZYX"])
def test_a_slice_of_a_stack_with_depth(tmp_path, axes):
    stack = noise(*{"TZYX": (4, 3, 8, 9), "ZTYX": (3, 4, 8, 9), "ZYX": (3, 8, 9)}[axes])
    tifffile.imwrite(
        tmp_path / "a.ome.tif", stack, ome=True, photometric="minisblack", metadata={"axes": axes}
    )
    at = axes.index("Z")
    with readers.open_image_file(tmp_path / "a.ome.tif") as file:
        chosen = file.at_plane(1)
        assert (chosen.pages, chosen.slices) == (stack.size // 72 // 3, 1)
        for page in range(chosen.pages):
            expected = np.take(stack, 1, at).reshape(-1, 8, 9)[page]
            np.testing.assert_array_equal(chosen.read(page), expected)
        assert file.at_plane("time") is file.at_plane(None) is file
        with pytest.raises(
            InputError, match=r"images\.plane asks for slice 3; the file has 3, numbered from 0"
        ):
            file.at_plane(3)


def test_a_windows_bitmap(tmp_path):
    image = noise(8, 9, 3, dtype=np.uint8)
    Image.fromarray(image).save(tmp_path / "a.bmp")
    np.testing.assert_array_equal(readers.read_image(tmp_path / "a.bmp"), image)


def deep(tmp_path, axes="TZYX", **options):
    shape = {"T": 2, "Z": 3, "C": 2, "Y": 8, "X": 9}
    stack = noise(*(shape[axis] for axis in axes))
    tifffile.imwrite(
        tmp_path / "a.ome.tif", stack, ome=True, photometric="minisblack", metadata={"axes": axes}
    )
    return stack


@pytest.mark.parametrize("axes", ["TZYX", "ZTYX"])
def test_slices_become_channels(tmp_path, axes):
    stack = np.moveaxis(deep(tmp_path, axes), axes.index("T"), 0)
    with readers.open_chosen(
        tmp_path / "a.ome.tif", {"panels": None, "plane": [2, 0], "channels": None}
    ) as file:
        assert file.pages == 2
        for time in range(2):
            np.testing.assert_array_equal(
                readers.frame_of(file, time), np.moveaxis(stack[time, [2, 0]], 0, -1)
            )


def test_of_slices_as_channels_the_chosen_channels_are_taken(tmp_path):
    stack = deep(tmp_path, "ZCYX")
    images = {"panels": None, "plane": [0, 1, 2], "channels": [1]}
    with readers.open_chosen(tmp_path / "a.ome.tif", images) as file:
        found = readers.frame_of(file, None, images["channels"])
    np.testing.assert_array_equal(found, np.moveaxis(stack[:, 1], 0, -1))
    with (
        readers.open_chosen(tmp_path / "a.ome.tif", images | {"channels": None}) as file,
        pytest.raises(InputError, match=r"6 channels\. Expected one to four"),
    ):
        readers.frame_of(file)


def test_the_sharpest_slice_is_taken_of_the_chosen_channel(tmp_path):
    flat, sharp = np.full((8, 9), 100, np.uint16), noise(8, 9)
    stack = np.stack([[flat, sharp], [sharp, flat]])  # two slices of two channels
    tifffile.imwrite(
        tmp_path / "a.ome.tif", stack, ome=True, photometric="minisblack", metadata={"axes": "ZCYX"}
    )
    for channel, expected in ((0, 1), (1, 0)):
        images = {"panels": None, "plane": "focus", "channels": [channel]}
        with readers.open_chosen(tmp_path / "a.ome.tif", images) as file:
            np.testing.assert_array_equal(
                readers.frame_of(file)[..., 1 - channel], stack[expected, 1 - channel]
            )


def test_slices_asked_of_a_file_without_depth(tmp_path):
    save(tmp_path / "a.tif", noise(8, 9))
    for plane in (2, "focus", "time", None):
        with readers.open_chosen(
            tmp_path / "a.tif", {"panels": None, "plane": plane, "channels": None}
        ) as file:
            assert file.pages == 1
    with pytest.raises(InputError, match="asks for slice 2; the file has 1"):
        readers.open_chosen(tmp_path / "a.tif", {"panels": None, "plane": [0, 2], "channels": None})


def test_panels_side_by_side_are_slices(tmp_path):
    image = noise(7, 15)
    save(tmp_path / "a.png", image)
    images = {"panels": 3, "plane": 1, "channels": None}
    with readers.open_chosen(tmp_path / "a.png", images) as file:
        np.testing.assert_array_equal(readers.frame_of(file)[..., 0], image[:, 5:10])
    with (
        readers.open_chosen(tmp_path / "a.png", images | {"plane": None}) as file,
        pytest.raises(InputError, match=r"a stack of 3 pages \(3 × Z\).*images.plane, 0 to 2"),
    ):
        readers.frame_of(file)
    with (
        readers.open_chosen(tmp_path / "a.png", images | {"panels": 4}) as file,
        pytest.raises(InputError, match="15 px wide, which is not 4 panels"),
    ):
        readers.frame_of(file)
    deep(tmp_path)
    with pytest.raises(InputError, match="has 3 slices of depth already"):
        readers.open_chosen(tmp_path / "a.ome.tif", images)


def test_a_description_that_claims_another_shape(tmp_path):
    image = noise(8, 9)
    tifffile.imwrite(tmp_path / "a.tif", image, description='{"shape": [20, 30]}', metadata=None)
    np.testing.assert_array_equal(readers.read_image(tmp_path / "a.tif")[..., 0], image)


CHANNELS = {"panels": None, "plane": None, "channels": None, "channel_endings": ["_0000", "_0001"]}


def test_channels_in_files_of_their_own(tmp_path):
    first, second = noise(8, 9), noise(8, 9, seed=2)
    path = save(tmp_path / "a_0000.png", first)
    save(tmp_path / "a_0001.png", second)
    with readers.open_chosen(path, CHANNELS) as file:
        np.testing.assert_array_equal(readers.frame_of(file), np.stack([first, second], axis=-1))
        np.testing.assert_array_equal(readers.frame_of(file, None, [1])[..., 0], second)


def test_channels_that_do_not_fit_together(tmp_path):
    path = save(tmp_path / "a_0000.png", noise(8, 9))
    with pytest.raises(InputError, match=r"a_0001\.png: no such file"):
        readers.open_chosen(path, CHANNELS)
    save(tmp_path / "a_0001.png", noise(8, 7))
    with (
        readers.open_chosen(path, CHANNELS) as file,
        pytest.raises(InputError, match=r"8 × 7 px; .* 8 × 9 px"),
    ):
        readers.frame_of(file)
    with pytest.raises(InputError, match=r"does not end in _0000, the first of images\.channel_endings"):
        readers.open_chosen(tmp_path / "a_0001.png", CHANNELS)
