"""Files made to fill the memory or to hold a reader up for ever: a message within seconds."""

import json
import struct
import zlib

import numpy as np
import pytest
import tifffile
from PIL import Image

from brightcell.errors import InputError
from brightcell.io import rasterize
from brightcell.io.image_file import LARGEST_BYTES
from brightcell.io.masks import read_mask
from brightcell.io.page_chain import MOST_PAGES, MOST_SIZES
from brightcell.io.readers import open_image_file, read_image

PAGE = struct.calcsize("<H9I9II")  # bytes of a page with nine tags


def page(height, width, after, **values):
    """A page of a little-endian TIFF; the place of the next one is `after`."""
    tags = {256: width, 257: height, 258: 8, 259: 1, 262: 1, 273: 8, 277: 1, 278: height, 279: height * width}
    tags |= {int(name[1:]): value for name, value in values.items()}
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in sorted(tags.items()))
    return struct.pack("<H", len(tags)) + entries + struct.pack("<I", after)


def tiff(path, *pages):
    path.write_bytes(b"II*\0" + struct.pack("<I", 8) + b"".join(pages))
    return path


def chain(path, sizes, back=0):
    """A TIFF of pages of these sizes; the last one says that the next is at `back`."""
    step, last = len(page(1, 1, 0)), len(sizes) - 1
    places = [8 + step * (number + 1) if number < last else back for number in range(len(sizes))]
    return tiff(path, *(page(*size, after) for size, after in zip(sizes, places, strict=True)))


def refused(path, read=read_image):
    with pytest.raises(InputError) as raised:
        read(path)
    assert str(path) in str(raised.value)
    return str(raised.value)


@pytest.mark.parametrize("pages", [1, 2, 1000])
def test_pages_in_a_ring(tmp_path, pages):
    path = chain(tmp_path / "ring.tif", [(4, 4)] * pages, back=8)
    assert f"page {pages} leads back to an earlier page" in refused(path)


def test_a_chain_of_pages_without_end(tmp_path):
    empty = (struct.pack("<HI", 0, 8 + 6 * (number + 1)) for number in range(MOST_PAGES + 1))
    assert "more than 100,000 pages" in refused(tiff(tmp_path / "many.tif", *empty))


def test_metadata_that_tell_of_pages_without_number(tmp_path):
    sizes = 'SizeX="4" SizeY="4" SizeZ="1000" SizeC="1" SizeT="1000"'
    ome = f'<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06"><Image><Pixels Type="uint8" {sizes}/></Image></OME>'
    tifffile.imwrite(tmp_path / "a.tif", np.zeros((4, 4), np.uint8), description=ome, metadata=None)
    assert "1000 × 1 × 1000 pages" in refused(tmp_path / "a.tif")


def test_a_file_that_tells_of_frames_without_number(tmp_path):
    shape = '{"shape": [100000000, 4, 4]}'
    tifffile.imwrite(tmp_path / "a.tif", np.zeros((4, 4), np.uint8), description=shape, metadata=None)
    assert "names 100,000,000 frames" in refused(tmp_path / "a.tif")


def test_many_channels_are_one_large_frame(tmp_path):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, np.zeros((30, 8, 8), np.uint8), metadata={"axes": "CYX"}, ome=True)
    with tifffile.TiffFile(path, mode="r+") as file:
        description = file.ome_metadata.replace('SizeX="8"', 'SizeX="8000"').replace(
            'SizeY="8"', 'SizeY="8000"'
        )
        file.pages[0].tags["ImageDescription"].overwrite(description)
        for page in file.pages:
            for name in ("ImageLength", "ImageWidth", "RowsPerStrip"):
                page.tags[name].overwrite(8000)
    assert "8,000 × 8,000 px of 30 bytes" in refused(path)


def test_many_pages_of_one_size_are_a_recording(tmp_path):
    with open_image_file(chain(tmp_path / "long.tif", [(4, 4)] * 5000)) as file:
        assert file.pages == 5000
        assert file.read(4999).shape == (4, 4)


def test_pages_of_many_sizes(tmp_path):
    path = chain(tmp_path / "sizes.tif", [(1, 1 + number) for number in range(MOST_SIZES + 1)])
    assert "pages of more than 100 sizes" in refused(path)


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("big", [False, True])
def test_the_limit_holds_for_every_page(tmp_path, order, big):
    path = tmp_path / "second.tif"
    with tifffile.TiffWriter(path, byteorder=order, bigtiff=big) as writer:
        for width in (4, 5):
            writer.write(np.zeros((2, width), np.uint8), metadata=None)
    with open_image_file(path) as file:
        assert file.read(1).shape == (2, 5)
    with tifffile.TiffFile(path, mode="r+") as file:
        for name in ("ImageLength", "ImageWidth"):
            file.pages[1].tags[name].overwrite(60_000)
    assert "60,000 × 60,000 px in one frame" in refused(path, lambda path: read_image(path, page=0))


@pytest.mark.parametrize(("samples", "bits"), [(1, 64), (60, 8)])
def test_the_limit_holds_for_all_channels_and_bytes(tmp_path, samples, bits):
    path = tiff(tmp_path / "deep.tif", page(20_000, 20_000, 0, t277=samples, t258=bits))
    assert f"20,000 × 20,000 px of {samples * bits // 8} bytes in one frame" in refused(path)


def test_the_limit_holds_for_the_channels_of_a_png(tmp_path):
    head = struct.pack(">IIBBBBB", 20_000, 20_000, 16, 6, 0, 0, 0)
    part = struct.pack(">I", 13) + b"IHDR" + head + struct.pack(">I", zlib.crc32(b"IHDR" + head))
    (tmp_path / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n" + part)
    assert LARGEST_BYTES < 20_000**2 * 8
    assert "of 8 bytes" in refused(tmp_path / "a.png")


def test_a_palette_of_one_bit_is_looked_up(tmp_path):
    """As an index, True is a choice of colours."""
    colours = struct.pack("<6H", 0, 0xFFFF, 0, 0, 0, 0)  # black and red, channel by channel
    tags = {256: 16, 257: 8, 258: 1, 259: 1, 262: 3, 273: 8, 277: 1, 278: 8, 279: 16}
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in sorted(tags.items()))
    pixels = b"\xf0\x00" * 8
    at = 8 + len(pixels)
    after = at + 2 + 10 * 12 + 4
    body = struct.pack("<H", 10) + entries + struct.pack("<HHII", 320, 3, 6, after) + struct.pack("<I", 0)
    path = tmp_path / "one.tif"
    path.write_bytes(b"II*\0" + struct.pack("<I", at) + pixels + body + colours)
    image = read_image(path)
    assert image.shape == (8, 16, 3)
    assert image[0, 0].tolist() == [255, 0, 0]
    assert image[0, 4].tolist() == [0, 0, 0]
    labels = read_mask(path).labels
    assert (labels[:, :4] == 1).all()
    assert not labels[:, 4:].any()


def test_a_colour_beyond_the_palette(tmp_path):
    picture = Image.new("P", (8, 8))
    picture.putpalette([0, 0, 0, 255, 0, 0])
    picture.putpixel((1, 1), 1)
    picture.save(tmp_path / "a.png")
    assert read_image(tmp_path / "a.png").shape == (8, 8, 3)
    with open_image_file(tmp_path / "a.png") as file:
        file.palette = file.palette[:1]
        with pytest.raises(InputError, match="a colour beyond its palette"):
            file.read()


def coco(path, side, outlines):
    image = {"id": 1, "file_name": "a.png", "height": side, "width": side}
    cells = [{"image_id": 1, "segmentation": outline} for outline in outlines]
    path.write_text(json.dumps({"images": [image], "annotations": cells}))
    return refused(path, lambda path: read_mask(path, shape=(side, side), image="a.png"))


@pytest.mark.parametrize("kind", ["outlines", "run lengths"])
def test_a_thousand_outlines_as_large_as_the_frame(tmp_path, monkeypatch, kind):
    monkeypatch.setattr(rasterize, "LARGEST_PX", 10**7)  # the frames of this test would be too slow otherwise
    side = 1000
    outlines = (
        [[0, 0, side, 0, side, side, number, side]]
        if kind == "outlines"
        else {"size": [side, side], "counts": [number, side**2 - number]}
        for number in range(1000)
    )
    assert "fill it 11 times" in coco(tmp_path / "cells.json", side, outlines)


def test_a_run_length_that_never_ends(tmp_path):
    said = coco(tmp_path / "cells.json", 64, [{"size": [64, 64], "counts": "o" * 1_000_000}])
    assert "a run length without end" in said


def test_an_outline_that_goes_up_and_down_through_the_whole_image(tmp_path):
    side = 4000
    zigzag = [[v for x in range(6000) for v in (x / 2, side * (x % 2))]]
    assert "6,000 corners" in coco(tmp_path / "cells.json", side, [zigzag])
