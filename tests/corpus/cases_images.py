"""Image files of every format, whole and broken."""

import os
import struct
import zlib

import imagecodecs
import numpy as np
from corpus.case import SIDE, Folder, found, refused, right
from PIL import Image
from scipy import ndimage
from textured import scene

IMAGE, LABELS = scene(3, SIDE, cells=8)
SMALL = (IMAGE // 16).astype(np.uint8)
COLOUR = np.dstack([SMALL, SMALL // 2, 255 - SMALL])


def tiff_case(name, array, expected=None, **options):
    """Register a TIFF that is read right; a frame of one channel comes back as (height, width)."""

    def make(folder: Folder):
        frame = array if expected is None else expected
        folder.recolour(np.atleast_3d(frame).shape[-1])
        folder.add(folder.tiff("odd.tif", array, **options), LABELS)
        return frame, LABELS

    make.__name__, make.__module__ = name, __name__
    return right(make)


tiff_case("a_tiff_of_8_bits", SMALL)
tiff_case("a_tiff_of_16_bits", IMAGE)
tiff_case("a_tiff_of_32_bits", IMAGE.astype(np.uint32), IMAGE.astype(np.float32))
tiff_case("a_tiff_of_floats", (IMAGE / 7).astype(np.float32))
tiff_case("a_tiff_of_signed_numbers", (IMAGE.astype(np.int16) - 900), IMAGE.astype(np.float32) - 900)
tiff_case("a_tiff_in_colour", COLOUR)
tiff_case(
    "a_tiff_with_colours_in_planes",
    np.moveaxis(COLOUR, -1, 0),
    COLOUR,
    photometric="rgb",
    planarconfig="separate",
)
tiff_case("a_tiff_with_transparency", np.dstack([COLOUR, 0 * SMALL]), COLOUR, extrasamples=["unassalpha"])
tiff_case("a_tiff_in_tiles", IMAGE, tile=(32, 32))
tiff_case("a_bigtiff", IMAGE, bigtiff=True)
tiff_case("a_tiff_of_another_byte_order", IMAGE, byteorder=">")
tiff_case("a_tiff_packed_by_lzw", IMAGE, compression="lzw", predictor=True)
tiff_case("a_tiff_packed_by_deflate_in_tiles", IMAGE, compression="zlib", tile=(16, 48))
tiff_case("a_tiff_packed_by_zstandard", IMAGE, compression="zstd")
tiff_case(
    "an_ome_tiff_with_axes",
    IMAGE,
    ome=True,
    metadata={"axes": "YX", "PhysicalSizeX": 0.5, "PhysicalSizeY": 0.5},
)
tiff_case(
    "an_imagej_hyperstack_of_three_channels",
    np.stack([IMAGE, IMAGE // 2, IMAGE // 3]),
    np.dstack([IMAGE, IMAGE // 2, IMAGE // 3]),
    imagej=True,
    metadata={"axes": "CYX"},
)


def pillow_case(name, file, array, expected, **options):
    """Register a file that Pillow writes."""

    def make(folder: Folder):
        Image.fromarray(array).save(folder.path / file, **options)
        folder.recolour(np.atleast_3d(expected).shape[-1])
        folder.add(file, LABELS)
        return expected, LABELS

    make.__name__, make.__module__ = name, __name__
    return right(make)


pillow_case("a_png_of_8_bits", "odd.png", SMALL, SMALL)
pillow_case("a_png_of_16_bits", "odd.png", IMAGE, IMAGE)
pillow_case("a_png_in_colour", "odd.png", COLOUR, COLOUR)
pillow_case("a_png_with_transparency", "odd.png", np.dstack([COLOUR, 255 - SMALL]), COLOUR)
pillow_case("a_suffix_in_capitals", "ODD.PNG", SMALL, SMALL)
pillow_case("a_png_called_tif", "odd.tif", SMALL, SMALL, format="PNG")
pillow_case("a_tiff_called_png", "odd.png", SMALL, SMALL, format="TIFF")


@right
def a_png_of_16_bits_in_colour(folder: Folder):
    colour = np.dstack([IMAGE, IMAGE // 2, IMAGE // 3])
    folder.recolour(3)
    folder.add(folder.bytes("odd.png", imagecodecs.png_encode(colour)), LABELS)
    return colour, LABELS


@right
def a_jpeg_that_the_camera_turned(folder: Folder):
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90° to the right
    Image.fromarray(np.rot90(SMALL)).save(folder.path / "odd.jpg", exif=exif, quality=100)
    folder.add("odd.jpg", LABELS)
    return SMALL.astype(np.float32), LABELS, 8


@right
def pages_of_a_stack(folder: Folder):
    frames = [scene(seed, SIDE, cells=8) for seed in (5, 6, 7)]
    folder.tiff("stack.tif", np.stack([image for image, _ in frames]))
    folder.tiff("masks.tif", np.stack([labels for _, labels in frames]))
    folder.rows = [
        {"sample": name, "image": "stack.tif", "mask": "masks.tif", "group": group, "page": page}
        for name, group, page in (("a", "g", 0), ("odd", "odd", 2), ("b", "h", 1))
    ]
    return frames[2]


@right
def frames_of_several_sizes(folder: Folder):
    image, labels = scene(4, 128, cells=10)
    folder.add(*scene(8, SIDE, cells=8), sample="small")
    folder.add(image, labels)
    return image, labels


@right
def a_link_to_a_file(folder: Folder):
    folder.tiff("real.tif", IMAGE)
    (folder.path / "link.tif").symlink_to("real.tif")
    folder.add("link.tif", LABELS)
    return IMAGE, LABELS


@right
def a_pixel_size_in_the_files_metadata(folder: Folder):
    folder.rows = []
    for number in range(3):
        image, labels = scene(number, SIDE, cells=8)
        name = folder.tiff(
            f"{number}.ome.tif", image, ome=True, metadata={"axes": "YX", "PhysicalSizeX": 0.25}
        )
        folder.add(name, labels, sample=("odd", "b", "c")[number], group=("odd", "b", "c")[number])
    return scene(0, SIDE, cells=8)


@refused("prepare", "odd.tif", "damaged or truncated", "0 bytes")
def a_file_of_zero_bytes(folder: Folder):
    folder.add(folder.bytes("odd.tif", b""), LABELS)


@refused("prepare", "odd.tif", "damaged or truncated", "Copy the file again")
def a_truncated_tiff(folder: Folder):
    _cut(folder, "odd.tif", IMAGE, 0.7)


@refused("prepare", "odd.tif", "damaged or truncated")
def a_tiff_truncated_in_its_header(folder: Folder):
    _cut(folder, "odd.tif", IMAGE, 0.005)


@refused("prepare", "odd.png", "damaged or truncated")
def a_truncated_png(folder: Folder):
    _cut(folder, "odd.png", SMALL, 0.6)


@refused("prepare", "odd.jpg", "damaged or truncated")
def a_truncated_jpeg(folder: Folder):
    _cut(folder, "odd.jpg", SMALL, 0.6)


def _cut(folder: Folder, name: str, array: np.ndarray, share: float):
    path = folder.path / name
    if name.endswith("tif"):
        folder.tiff(name, array)
    else:
        Image.fromarray(array).save(path)
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    folder.add(name, LABELS)


@refused("prepare", "odd.tif", "damaged or truncated")
def a_tiff_with_flipped_bits(folder: Folder):
    folder.tiff("odd.tif", IMAGE, compression="zlib")
    content = bytearray((folder.path / "odd.tif").read_bytes())
    content[400:900] = bytes(255 - byte for byte in content[400:900])
    folder.add(folder.bytes("odd.tif", bytes(content)), LABELS)


@refused("prepare", "odd.tif", "damaged")
def a_text_called_tif(folder: Folder):
    folder.add(folder.bytes("odd.tif", b"<html><body>404 Not Found</body></html>"), LABELS)


@refused("prepare", "odd.webp", "the format .webp is not read", "Fiji")
def a_format_that_is_not_read(folder: Folder):
    Image.fromarray(SMALL).convert("L").save(folder.path / "odd.webp")
    folder.add("odd.webp", LABELS)


@refused("prepare", "(no suffix)")
def a_file_without_a_suffix(folder: Folder):
    folder.add(folder.bytes("odd", b"pixels"), LABELS)


@refused("prepare", "odd.czi")
def a_microscope_format_that_is_none(folder: Folder):
    folder.add(folder.bytes("odd.czi", b"not a czi"), LABELS)


@refused("prepare", "odd.tif", "a folder")
def a_folder_called_tif(folder: Folder):
    (folder.path / "odd.tif").mkdir()
    folder.add("odd.tif", LABELS)


@refused("parse", "odd.tif", "link that leads nowhere")
def a_link_that_leads_to_itself(folder: Folder):
    (folder.path / "odd.tif").symlink_to("loop.tif")
    (folder.path / "loop.tif").symlink_to("odd.tif")
    folder.add("odd.tif", LABELS)


@refused("parse", "odd.tif", "link that leads nowhere")
def a_link_to_nowhere(folder: Folder):
    (folder.path / "odd.tif").symlink_to("gone.tif")
    folder.add("odd.tif", LABELS)


@refused("parse", "odd.tif", "no ordinary file")
def a_pipe_that_nobody_fills(folder: Folder):
    os.mkfifo(folder.path / "odd.tif")
    folder.add("odd.tif", LABELS)


@refused("prepare", "odd.png", "200,000 × 200,000", "cut it into tiles")
def a_png_that_would_fill_the_memory(folder: Folder):
    def chunk(kind: bytes, content: bytes) -> bytes:
        return (
            struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
        )

    header = struct.pack(">IIBBBBB", 200_000, 200_000, 8, 0, 0, 0, 0)
    bomb = zlib.compress(bytes(1_000_000))
    folder.add(
        folder.bytes(
            "odd.png",
            b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", bomb) + chunk(b"IEND", b""),
        ),
        LABELS,
    )


@refused("prepare", "odd.tif", "cut it into tiles")
def a_tiff_that_would_fill_the_memory(folder: Folder):
    folder.tiff("odd.tif", np.zeros((16, 16), np.uint8), compression="zlib", metadata=None, rowsperstrip=16)
    content = bytearray((folder.path / "odd.tif").read_bytes())
    for tag in (256, 257, 278):  # width, height, rows in a strip
        entry = content.find(struct.pack("<H", tag), struct.unpack("<I", content[4:8])[0])
        content[entry + 2 : entry + 12] = struct.pack("<HII", 4, 1, 100_000)
    folder.add(folder.bytes("odd.tif", bytes(content)), LABELS)


@refused("prepare", "odd.tif", "1 pixel is NaN or infinite", "Replace them")
def an_image_with_nan(folder: Folder):
    image = IMAGE.astype(np.float32)
    image[5, 7] = np.nan
    folder.add(image, LABELS)
    folder.rows[-1]["image"] = folder.tiff("odd.tif", image)


@refused("prepare", "odd.tif", "NaN or infinite")
def an_image_with_infinity(folder: Folder):
    image = IMAGE.astype(np.float32)
    image[5, 7] = -np.inf
    folder.add(folder.tiff("odd.tif", image), LABELS)


@refused("prepare", "odd.tif", "complex")
def an_image_of_complex_numbers(folder: Folder):
    folder.add(folder.tiff("odd.tif", IMAGE.astype(np.complex64)), LABELS)


@refused("prepare", "odd.tif")
def a_stack_of_no_frames(folder: Folder):
    folder.add(folder.bytes("odd.tif", b"II*\0\x08\0\0\0" + b"\0\0" + b"\0\0\0\0"), LABELS)


@refused("prepare", "odd.tif", "a stack of 9 pages", "column `page`, from 0 to 8")
def a_stack_without_pages_in_the_sheet(folder: Folder):
    folder.add(folder.tiff("odd.tif", np.stack([IMAGE + n for n in range(9)])), LABELS)


@refused("prepare", "odd.tif", "page 9", "the file has 9")
def a_page_that_the_stack_does_not_have(folder: Folder):
    for row in folder.rows:
        row["page"] = 0
    folder.tiff("odd.tif", np.stack([IMAGE + n for n in range(9)]))
    folder.add("odd.tif", LABELS, page=9)


@refused("prepare", "odd.tif", "5 channels", "images.channels")
def five_channels(folder: Folder):
    image = np.stack([IMAGE + n for n in range(5)])
    folder.add(folder.tiff("odd.tif", image, imagej=True, metadata={"axes": "CYX"}), LABELS)


@refused("prepare", "group odd", "the number of channels changes", "convert them")
def grey_and_colour_in_one_group(folder: Folder):
    folder.add(SMALL, LABELS)
    folder.add(COLOUR, scene(4, SIDE, cells=8)[1], sample="colour")


@found("channels")
def grey_and_colour_in_two_groups(folder: Folder):
    folder.add(COLOUR, LABELS)


@found("constant")
def an_image_of_one_value(folder: Folder):
    folder.add(np.full_like(IMAGE, 7), LABELS)


@found("constant")
def an_image_of_one_pixel(folder: Folder):
    folder.add(IMAGE[:1, :1], np.ones((1, 1), np.uint8))


@found("blank", "warning")
def a_frame_with_the_lamp_off(folder: Folder):
    noise = np.random.default_rng(1).normal(100, 3, IMAGE.shape)
    folder.add(noise.round().astype(np.uint16), LABELS)


@found("saturated", "warning")
def a_frame_that_is_too_bright(folder: Folder):
    folder.add(np.minimum(IMAGE, 1050), LABELS)


@found("focus", "warning")
def a_frame_out_of_focus(folder: Folder):
    for seed in range(10, 16):
        folder.add(*scene(seed, SIDE, cells=8), sample=f"s{seed}")
    folder.add(ndimage.gaussian_filter(IMAGE, 2), LABELS)


@found("contrast", "warning")
def a_frame_of_another_contrast(folder: Folder):
    for seed in range(10, 16):
        folder.add(*scene(seed, SIDE, cells=8), sample=f"s{seed}")
    folder.add((IMAGE // 8 + 2000).astype(np.uint16), LABELS)


@found("duplicate", "warning")
def the_same_picture_twice_in_a_group(folder: Folder):
    folder.add(IMAGE, LABELS)
    folder.add(IMAGE, LABELS, sample="again")


@found("leakage")
def the_same_picture_in_two_groups(folder: Folder):
    folder.add(IMAGE, LABELS)
    folder.add(IMAGE, LABELS, sample="again", group="other")


@found("leakage")
def a_copy_saved_as_jpeg_in_another_group(folder: Folder):
    folder.add(SMALL, LABELS)
    Image.fromarray(SMALL).save(folder.path / "copy.jpg", quality=80)
    folder.add("copy.jpg", LABELS, sample="copy", group="other")


@found("near_duplicate", "warning")
def a_time_lapse_under_two_names(folder: Folder):
    image, labels = scene(5, 240, cells=30)
    folder.add(image, labels)
    folder.add(np.roll(image, 1, 0), np.roll(labels, 1, 0), sample="next", group="other")


@refused("prepare", "first_image.tif", "preprocess.crop", "Correct the config")
def a_crop_beyond_the_frame(folder: Folder):
    folder.config["preprocess"] = {"crop": [0, 0, 200, 50]}
    folder.add(IMAGE, LABELS)


@refused("prepare", "odd_image.tif", "preprocess.bayer", "one channel")
def a_mosaic_that_is_in_colour_already(folder: Folder):
    folder.rows = []
    folder.config["preprocess"] = {"bayer": "RGGB"}
    for number in range(3):
        folder.add(
            COLOUR + np.uint8(number),
            LABELS,
            sample=("odd", "b", "c")[number],
            group=("odd", "b", "c")[number],
        )


@refused("prepare", "flat", "96 × 96")
def a_flat_field_of_another_size(folder: Folder):
    flat = folder.path / folder.tiff("flat.tif", np.full((50, 50), 100, np.uint16))
    folder.config["preprocess"] = {"flat": str(flat)}
    folder.add(IMAGE, LABELS)


@refused("prepare", "images.channels asks for channel 3", "Correct the config")
def a_channel_that_the_file_does_not_have(folder: Folder):
    folder.config["images"] = {"channels": [3]}
    folder.add(IMAGE, LABELS)


@refused("prepare", "odd.tif", "no scene 'third'", "Correct the sheet")
def a_scene_that_the_file_does_not_have(folder: Folder):
    for row in folder.rows:
        row["scene"] = "0"
    folder.add(folder.tiff("odd.tif", IMAGE, ome=True, metadata={"axes": "YX"}), LABELS, scene="third")


@found("leakage")
def a_part_of_another_frame(folder: Folder):
    image, labels = scene(5, 240, cells=40)
    folder.add(image, labels)
    part = Image.fromarray((image // 16).astype(np.uint8)[40:180, 60:200]).resize((110, 110))
    part.save(folder.path / "part.jpg", quality=60)
    truth = np.asarray(Image.fromarray(labels[40:180, 60:200]).resize((110, 110), Image.Resampling.NEAREST))
    folder.add("part.jpg", truth, sample="part", group="other")


@refused("prepare", "odd.ome.tif", "a stack of 3 pages (3 × Z)", "images.plane")
def a_stack_with_depth_of_which_nothing_is_said(folder: Folder):
    stack = np.stack([IMAGE, IMAGE + 1, IMAGE + 2])
    folder.add(folder.tiff("odd.ome.tif", stack, ome=True, metadata={"axes": "ZYX"}), LABELS)


@refused("prepare", "odd.ome.tif", "images.plane asks for slice 7; the file has 3")
def a_slice_that_the_file_does_not_have(folder: Folder):
    folder.config["images"] = {"plane": 7}
    stack = np.stack([IMAGE, IMAGE + 1, IMAGE + 2])
    folder.add(folder.tiff("odd.ome.tif", stack, ome=True, metadata={"axes": "ZYX"}), LABELS)


@right
def the_sharpest_slice(folder: Folder):
    folder.config["images"] = {"plane": "focus"}
    blurred = ndimage.gaussian_filter(IMAGE, 2)
    stack = np.stack([blurred, IMAGE, blurred])
    folder.add(folder.tiff("odd.ome.tif", stack, ome=True, metadata={"axes": "ZYX"}), LABELS)
    return IMAGE, LABELS


@refused("prepare", "96 px wide, which is not 5 panels", "a sheet and a config of their own")
def panels_that_do_not_divide_the_image(folder: Folder):
    folder.config["images"] = {"panels": 5, "plane": 0}
    folder.add(IMAGE, LABELS)


@refused("prepare", "odd_ch01.tif", "no such file")
def a_channel_whose_file_is_missing(folder: Folder):
    folder.rows = []
    folder.config["images"] = {"channel_endings": ["_ch00", "_ch01"]}
    for name in ("odd", "b", "c"):
        first = folder.tiff(f"{name}_ch00.tif", IMAGE)
        if name != "odd":
            folder.tiff(f"{name}_ch01.tif", IMAGE)
        folder.add(first, LABELS, sample=name, group=name)


@right
def a_description_that_claims_another_shape(folder: Folder):
    name = folder.tiff("odd.tif", IMAGE, description='{"shape": [2044, 2048]}', metadata=None)
    folder.add(name, LABELS)
    return IMAGE, LABELS
