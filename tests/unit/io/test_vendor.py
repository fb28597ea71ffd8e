"""Formats of microscopes and OME-Zarr, on files made here; skipped without `make formats`."""

import microscopes
import numpy as np
import pytest

from brightcell.errors import InputError
from brightcell.io import readers

STACK = np.random.default_rng(1).integers(0, 4000, (5, 2, 40, 60)).astype(np.uint16)
WRITERS = {
    ".zarr": ("bioio_ome_zarr", microscopes.write_zarr),
    ".czi": ("pylibCZIrw", microscopes.write_czi),
    ".nd2": ("bioio_nd2", microscopes.write_nd2),
    ".lif": ("bioio_lif", lambda path, stack, size: microscopes.write_lif(path, {"field": stack}, size)),
}


@pytest.fixture(params=WRITERS, ids=lambda suffix: suffix[1:])
def lapse(request, tmp_path):
    """A time-lapse of two channels in one of the formats, and how to write another."""
    package, write = WRITERS[request.param]
    pytest.importorskip(package)
    path = tmp_path / f"lapse{request.param}"
    write(path, STACK, 0.65)
    return path


def test_the_pages_of_a_time_lapse_and_its_pixel_size(lapse):
    with readers.open_image_file(lapse) as recording:
        assert (recording.pages, recording.axes) == (5, (("T", 5),))
        assert recording.pixel_size_um == pytest.approx(0.65, rel=1e-4)
        for page in (4, 0, 2):
            frame = readers.frame_of(recording, page)
            assert frame.dtype == np.uint16
            np.testing.assert_array_equal(frame, np.moveaxis(STACK[page], 0, -1))
    np.testing.assert_array_equal(readers.read_image(lapse, 3, channels=[1])[..., 0], STACK[3, 1])


def test_a_page_beyond_the_last(lapse):
    with pytest.raises(InputError, match="asks for page 5; the file has 5"):
        readers.read_image(lapse, 5)
    with pytest.raises(InputError, match=r"a stack of 5 pages \(5 × T\)"):
        readers.read_image(lapse)


def test_a_truncated_file(lapse):
    if lapse.is_dir():
        for chunk in [
            path for path in lapse.rglob("*") if path.name == "zarr.json" or path.name == ".zattrs"
        ]:
            chunk.unlink()
    else:
        lapse.write_bytes(lapse.read_bytes()[:200])
    with pytest.raises(InputError, match="damaged or truncated"):
        readers.read_image(lapse, 0)


def test_scenes_of_a_lif(tmp_path):
    pytest.importorskip("bioio_lif")
    microscopes.write_lif(tmp_path / "a.lif", {"dish 1": STACK, "dish 2": STACK[:3, :, ::-1]}, 0.65)
    for scene in ("dish 2", "1"):
        frame = readers.read_image(tmp_path / "a.lif", 2, scene)
        np.testing.assert_array_equal(frame, np.moveaxis(STACK[2, :, ::-1], 0, -1))
    with pytest.raises(InputError, match=r"2 scenes \(dish 1, dish 2\).*column `scene`"):
        readers.read_image(tmp_path / "a.lif", 0)
    with pytest.raises(InputError, match="no scene 'dish 3'"):
        readers.read_image(tmp_path / "a.lif", 0, "dish 3")


def test_scenes_and_colours_of_a_czi(tmp_path):
    pytest.importorskip("pylibCZIrw")
    path = tmp_path / "a.czi"
    red = microscopes.write_colour_czi(path, scenes=2)
    with pytest.raises(InputError, match=r"2 scenes \(0, 1\).*column `scene`"):
        readers.read_image(path)
    for scene in (0, 1):
        frame = readers.read_image(path, scene=str(scene))
        np.testing.assert_array_equal(frame[..., 0], red[scene])
        assert (frame[..., 1:] == 0).all()


def test_slices_of_a_czi_are_depth(tmp_path):
    pytest.importorskip("pylibCZIrw")
    microscopes.write_czi(tmp_path / "a.czi", STACK[:, :1], 0.65, axis="Z")
    with readers.open_image_file(tmp_path / "a.czi") as stack:
        assert (stack.pages, stack.axes, stack.slices) == (5, (("Z", 5),), 5)
        np.testing.assert_array_equal(readers.frame_of(stack, 3)[..., 0], STACK[3, 0])
