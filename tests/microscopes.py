"""Write small files as microscopes do: the time-lapse (time, channel, height, width), uint16, in four formats."""

import struct
from pathlib import Path

import numpy as np


def write_zarr(path: Path, stack: np.ndarray, pixel_size_um: float) -> None:
    """Write an OME-Zarr with the writer of bioio."""
    from bioio_ome_zarr.writers import OMEZarrWriter

    writer = OMEZarrWriter(
        store=str(path),
        level_shapes=stack.shape,
        dtype=stack.dtype,
        axes_names=["t", "c", "y", "x"],
        axes_types=["time", "channel", "space", "space"],
        axes_units=[None, None, "micrometer", "micrometer"],
        physical_pixel_size=[1, 1, pixel_size_um, pixel_size_um],
    )
    writer.write_full_volume(stack)


def write_czi(path: Path, stack: np.ndarray, pixel_size_um: float, axis: str = "T") -> None:
    """Write a CZI with Zeiss' own library; the first axis of the stack is time, T, or depth, Z."""
    from pylibCZIrw import czi

    metre = 1e-6 * pixel_size_um
    with czi.create_czi(str(path)) as file:
        for page, channels in enumerate(stack):
            for channel, plane in enumerate(channels):
                file.write(data=plane[..., None], plane={"T": 0, "Z": 0, "C": channel} | {axis: page})
        file.write_metadata(document_name="lapse", scale_x=metre, scale_y=metre)


def write_colour_czi(path: Path, scenes: int) -> list[np.ndarray]:
    """Write a CZI with a red picture, uint8 (20, 30), in each of some scenes, and return the pictures."""
    from pylibCZIrw import czi

    red = [np.random.default_rng(scene).integers(1, 255, (20, 30), dtype=np.uint8) for scene in range(scenes)]
    with czi.create_czi(str(path)) as file:
        for scene, picture in enumerate(red):
            blue_green_red = np.stack([0 * picture, 0 * picture, picture], -1)
            file.write(blue_green_red, plane={"T": 0, "Z": 0, "C": 0}, scene=scene, location=(100 * scene, 0))
    return red


def write_lif(path: Path, scenes: dict[str, np.ndarray], pixel_size_um: float) -> None:
    """Write a LIF of several images: a header in XML, then a block of pixels for each image."""
    elements, blocks = "", []
    for number, (name, stack) in enumerate(scenes.items()):
        times, channels, height, width = stack.shape
        plane = 2 * height * width
        described = "".join(
            f'<ChannelDescription DataType="0" ChannelTag="0" Resolution="16" NameOfMeasuredQuantity="" Min="0" Max="65535"'
            f' Unit="" LUTName="Gray" IsLUTInverted="0" BytesInc="{channel * plane}" BitInc="0"/>'
            for channel in range(channels)
        )
        sizes = ((1, width, 2), (2, height, 2 * width), (4, times, plane * channels))
        dimensions = "".join(
            f'<DimensionDescription DimID="{dimension}" NumberOfElements="{length}" Origin="0" BytesInc="{step}" BitInc="0"'
            f' Length="{1e-6 * pixel_size_um * (length - 1):.9e}" Unit="m"/>'
            for dimension, length, step in sizes
        )
        elements += (
            f'<Element Name="{name}"><Data><Image><ImageDescription><Channels>{described}</Channels><Dimensions>'
            f"{dimensions}</Dimensions></ImageDescription></Image></Data>"
            f'<Memory Size="{stack.nbytes}" MemoryBlockID="MemBlock_{number}"/></Element>'
        )
        block = f"MemBlock_{number}"
        size = struct.pack("<IIBQBI", 0x70, 14 + 2 * len(block), 0x2A, stack.nbytes, 0x2A, len(block))
        blocks.append(size + block.encode("utf-16-le") + stack.astype("<u2").tobytes())
    header = (
        f'<LMSDataContainerHeader Version="2"><Element Name="lapse"><Children>{elements}</Children></Element>'
        "</LMSDataContainerHeader>"
    )
    start = struct.pack("<IIBI", 0x70, 2 * len(header) + 5, 0x2A, len(header))
    path.write_bytes(start + header.encode("utf-16-le") + b"".join(blocks))


def write_nd2(path: Path, stack: np.ndarray, pixel_size_um: float) -> None:
    """Write an ND2 of version 3: named chunks, metadata as a tree of typed values, a map of the chunks at the end."""
    times, channels, height, width = stack.shape
    probe = {"m_ExcitationSpectrum": {"uiCount": 0}, "m_EmissionSpectrum": {"uiCount": 0}}
    planes = {
        f"a{channel}": {"sDescription": f"channel {channel}", "uiCompCount": 1, "pFluorescentProbe": probe}
        for channel in range(channels)
    }
    attributes = {
        **{"uiWidth": width, "uiHeight": height, "uiWidthBytes": 2 * width * channels, "uiComp": channels},
        **{"uiBpcInMemory": 16, "uiBpcSignificant": 16, "uiSequenceCount": times, "eCompression": 2},
    }
    picture = {
        **{"bCalibrated": True, "dCalibration": pixel_size_um},
        "sPicturePlanes": {"uiCount": channels, "sPlaneNew": planes},
    }
    loop = {
        "eType": 1,
        "uLoopPars": {"uiCount": times, "dStart": 0.0, "dPeriod": 1000.0, "dDuration": 1000.0 * times},
    }
    content = {
        "ImageAttributesLV!": _tree({"SLxImageAttributes": attributes}),
        "ImageMetadataLV!": _tree({"SLxExperiment": loop}),
        "ImageMetadataSeqLV|0!": _tree({"SLxPictureMetadata": picture}),
        "CustomData|AcqTimesCache!": (1000.0 * np.arange(times)).astype("<f8").tobytes(),
        **{
            f"ImageDataSeq|{time}!": struct.pack("<d", 1000.0 * time)
            + np.moveaxis(frame, 0, -1).astype("<u2").tobytes()
            for time, frame in enumerate(stack)
        },
    }
    file = _chunk(b"ND2 FILE SIGNATURE CHUNK NAME01!", b"Ver3.0".ljust(64, b"\0"))
    table = b""
    for name, data in content.items():
        table += name.encode() + struct.pack("<QQ", len(file), len(data))
        # 16 bytes of header, the name and 8 bytes of time fill a page, so that pixels begin on the next.
        file += _chunk(name.encode().ljust(4072, b"\0"), data)
    signature = b"ND2 CHUNK MAP SIGNATURE 0000001!"
    end = signature + struct.pack("<Q", len(file))
    path.write_bytes(file + _chunk(b"ND2 FILEMAP SIGNATURE NAME 0001!", table + end))


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack("<IIQ", 0x0ABECEDA, len(name), len(data)) + name + data


def _tree(values: dict) -> bytes:
    """Encode a tree as ND2 does: type, length of the name, name, value; a level has its length and offsets of items."""
    encoded = b""
    for name, value in values.items():
        kind, data = _value(value)
        head = struct.pack("<BB", kind, len(name) + 1) + f"{name}\0".encode("utf-16-le")
        if isinstance(value, dict):
            data = struct.pack("<IQ", len(value), len(head) + 12 + len(data)) + data + bytes(8 * len(value))
        encoded += head + data
    return encoded


def _value(value: object) -> tuple[int, bytes]:
    if isinstance(value, dict):
        return 11, _tree(value)
    if isinstance(value, bool):
        return 1, struct.pack("<B", value)
    if isinstance(value, int):
        return 3, struct.pack("<I", value)
    if isinstance(value, float):
        return 6, struct.pack("<d", value)
    return 8, f"{value}\0".encode("utf-16-le")
