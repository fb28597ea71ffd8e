"""OME-TIFFs of recordings, opened by other readers: tifffile, ome-types, which holds their XML against the schema."""

import math
from xml.etree import ElementTree

import numpy as np
import pytest
import tifffile

from brightcell.io import ome_tiff, readers

NAMESPACE = {"ome": "http://www.openmicroscopy.org/Schemas/OME/2016-06"}


def images_of(path):
    with tifffile.TiffFile(path) as file:
        assert file.is_ome
        return ElementTree.fromstring(file.ome_metadata).findall("ome:Image", NAMESPACE)


def labels(*shape, largest=7):
    page = np.zeros(shape, np.int32)
    page[0, 0] = largest
    return page


@pytest.mark.parametrize(
    ("largest", "kind"),
    [(0, "uint8"), (255, "uint8"), (256, "uint16"), (65_536, "uint32"), (2**32 - 1, "uint32")],
)
def test_labels_have_the_smallest_type_that_holds_them(tmp_path, largest, kind):
    page = np.zeros((4, 5), np.int64)
    page[1, 2] = largest
    path = tmp_path / "labels.ome.tif"
    ome_tiff.write_ome(path, [page], [(4, 5, math.nan)], ome_tiff.smallest_type(largest), "dish")
    found = tifffile.imread(path)
    assert found.dtype == kind
    assert found.max() == largest
    pixels = images_of(path)[0].find("ome:Pixels", NAMESPACE)
    assert pixels.get("Type") == kind
    assert pixels.get("PhysicalSizeX") is None


def test_axes_pixel_size_and_name(tmp_path):
    path = tmp_path / "labels.ome.tif"
    pages = (labels(4, 6, largest=number + 1) for number in range(3))
    assert ome_tiff.write_ome(path, pages, [(4, 6, 0.65)] * 3, np.uint8, "dish") == 1
    with tifffile.TiffFile(path) as file:
        assert (file.series[0].axes, file.series[0].shape) == ("TYX", (3, 4, 6))
        assert file.asarray()[:, 0, 0].tolist() == [1, 2, 3]
    (image,) = images_of(path)
    pixels = image.find("ome:Pixels", NAMESPACE)
    assert image.get("Name") == "dish"
    sizes = {name: pixels.get(name) for name in ("SizeT", "SizeY", "SizeX", "SizeC", "SizeZ")}
    assert sizes == {"SizeT": "3", "SizeY": "4", "SizeX": "6", "SizeC": "1", "SizeZ": "1"}
    assert float(pixels.get("PhysicalSizeX")) == float(pixels.get("PhysicalSizeY")) == 0.65
    assert pixels.get("PhysicalSizeXUnit") == "µm"
    with readers.open_image_file(path) as recording:  # as this workflow reads recordings
        assert recording.pages == 3
        assert recording.pixel_size_um == 0.65


def test_the_xml_is_valid_ome(tmp_path):
    ome_types = pytest.importorskip("ome_types", reason="comes with `make formats`")
    path = tmp_path / "labels.ome.tif"
    sizes = [(4, 6, 0.5), (4, 6, 0.5), (8, 6, math.nan)]
    ome_tiff.write_ome(path, [labels(*size[:2]) for size in sizes], sizes, np.uint8, "dish")
    ome_types.validate_xml(tifffile.tiffcomment(path).encode())
    first, second = (image.pixels for image in ome_types.from_tiff(path).images)
    assert (first.size_t, first.size_y, first.size_x, first.type.value) == (2, 4, 6, "uint8")
    assert first.physical_size_x == first.physical_size_y == 0.5
    assert (second.size_t, second.size_y, second.physical_size_x) == (1, 8, None)


def test_a_change_of_size_begins_a_new_series(tmp_path):
    path = tmp_path / "labels.ome.tif"
    sizes = [(4, 6, 0.5), (4, 6, 0.5), (8, 6, 0.5), (8, 6, 0.25)]
    pages = [labels(*size[:2], largest=number + 1) for number, size in enumerate(sizes)]
    assert ome_tiff.write_ome(path, pages, sizes, np.uint8, "dish") == 3
    with tifffile.TiffFile(path) as file:
        assert [series.shape[-2:] for series in file.series] == [(4, 6), (8, 6), (8, 6)]
        assert [page.asarray()[0, 0] for page in file.pages] == [1, 2, 3, 4]  # pages in the frames' order
    found = images_of(path)
    assert [image.get("Name") for image in found] == ["dish 1", "dish 2", "dish 3"]
    assert [float(image.find("ome:Pixels", NAMESPACE).get("PhysicalSizeX")) for image in found] == [
        0.5,
        0.5,
        0.25,
    ]
