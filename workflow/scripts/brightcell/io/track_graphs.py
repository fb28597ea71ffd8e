"""Write tracks as graphs, with a node per cell and frame: TrackMate's XML and GEFF.

Nodes have the columns id (from 1), track, family, time (number of the frame, from 0), row_px, column_px, area_px; edges have
source and target. An edge leads from a cell to the same cell later, or to a daughter.
"""

import math
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pandas as pd

from brightcell.files import whole

from .zarr_folder import write_array, write_group

TRACKMATE = "7.11.1"  # the version of TrackMate whose files these are like
GEFF = "1.1"
SPOTS = {  # feature → name, short name, dimension, is it an integer
    "QUALITY": ("Quality", "Quality", "QUALITY", False),
    "POSITION_X": ("X", "X", "POSITION", False),
    "POSITION_Y": ("Y", "Y", "POSITION", False),
    "POSITION_Z": ("Z", "Z", "POSITION", False),
    "POSITION_T": ("T", "T", "TIME", False),
    "FRAME": ("Frame", "Frame", "NONE", True),
    "RADIUS": ("Radius", "R", "LENGTH", False),
    "VISIBILITY": ("Visibility", "Visibility", "NONE", True),
    "MANUAL_SPOT_COLOR": ("Manual spot color", "Spot color", "NONE", True),
}
EDGES = {
    "SPOT_SOURCE_ID": ("Source spot ID", "Source ID", "NONE", True),
    "SPOT_TARGET_ID": ("Target spot ID", "Target ID", "NONE", True),
}
TRACKS = {
    "TRACK_ID": ("Track ID", "ID", "NONE", True),
    "NUMBER_SPOTS": ("Number of spots in track", "N spots", "NONE", True),
}


def write_trackmate(
    path: Path,
    nodes: pd.DataFrame,
    edges: pd.DataFrame,
    image: str,
    shape: tuple[int, int, int],
    pixel_size_um: float = math.nan,
    interval_min: float | None = None,
) -> None:
    """Write TrackMate's XML. Its tracks are whole families; cells without any link are spots of no track.

    image : name of the file with the frames, beside `path`; shape : frames, height, width
    """
    side = pixel_size_um if math.isfinite(pixel_size_um) else 1.0
    interval = interval_min or 1.0
    root = ElementTree.Element("TrackMate", version=TRACKMATE)
    model = ElementTree.SubElement(
        root,
        "Model",
        spatialunits="µm" if math.isfinite(pixel_size_um) else "pixel",
        timeunits="min" if interval_min else "frame",
    )
    declared = ElementTree.SubElement(model, "FeatureDeclarations")
    for kind, features in (("SpotFeatures", SPOTS), ("EdgeFeatures", EDGES), ("TrackFeatures", TRACKS)):
        _declare(ElementTree.SubElement(declared, kind), features)
    spots = ElementTree.SubElement(model, "AllSpots", nspots=str(len(nodes)))
    for time, own in nodes.groupby("time"):
        frame = ElementTree.SubElement(spots, "SpotsInFrame", frame=str(time))
        for node in own.itertuples():
            values = {
                "QUALITY": 1.0, "POSITION_X": node.column_px * side, "POSITION_Y": node.row_px * side, "POSITION_Z": 0.0,
                "POSITION_T": node.time * interval, "RADIUS": math.sqrt(node.area_px / math.pi) * side,
            }  # fmt: skip
            words = {"ID": node.id, "name": f"track {node.track}", "FRAME": node.time, "VISIBILITY": 1}
            ElementTree.SubElement(
                frame,
                "Spot",
                {name: str(value) for name, value in words.items()}
                | {name: f"{value:.6g}" for name, value in values.items()},
            )
    tracks = ElementTree.SubElement(model, "AllTracks")
    kept = ElementTree.SubElement(model, "FilteredTracks")
    family = nodes.set_index("id")["family"]
    sizes = family.value_counts()
    for number, own in edges.groupby(edges["source"].map(family)):
        facts = {"name": f"Track_{number}", "TRACK_ID": str(number), "NUMBER_SPOTS": str(sizes[number])}
        track = ElementTree.SubElement(tracks, "Track", facts)
        for edge in own.itertuples():
            ends = {"SPOT_SOURCE_ID": str(edge.source), "SPOT_TARGET_ID": str(edge.target)}
            ElementTree.SubElement(track, "Edge", ends)
        ElementTree.SubElement(kept, "TrackID", TRACK_ID=str(number))
    frames, height, width = shape
    settings = ElementTree.SubElement(root, "Settings")
    described = {
        "filename": image, "folder": "", "width": width, "height": height, "nslices": 1, "nframes": frames,
        "pixelwidth": side, "pixelheight": side, "voxeldepth": 1.0, "timeinterval": interval,
    }  # fmt: skip
    ElementTree.SubElement(settings, "ImageData", {name: str(value) for name, value in described.items()})
    ElementTree.SubElement(settings, "InitialSpotFilter", feature="QUALITY", value="0.0", isabove="true")
    for name in ("SpotFilterCollection", "TrackFilterCollection"):
        ElementTree.SubElement(settings, name)
    ElementTree.SubElement(root, "GUIState", state="ConfigureViews")
    ElementTree.indent(root)
    with whole(path) as temporary:
        ElementTree.ElementTree(root).write(temporary, encoding="UTF-8", xml_declaration=True)


def _declare(parent: ElementTree.Element, features: dict) -> None:
    for feature, (name, short, dimension, integer) in features.items():
        facts = {"feature": feature, "name": name, "shortname": short, "dimension": dimension}
        ElementTree.SubElement(parent, "Feature", facts | {"isint": str(integer).lower()})


def write_geff(
    path: Path,
    nodes: pd.DataFrame,
    edges: pd.DataFrame,
    labels: str | None = None,
    pixel_size_um: float = math.nan,
    interval_min: float | None = None,
) -> None:
    """Write the Graph Exchange File Format (https://liveimagetrackingtools.org/geff).

    labels : path, from within the graph's folder, of an OME-Zarr whose labels are the numbers of the tracks
    """
    properties = {
        "t": nodes["time"].to_numpy(np.int64),
        "y": nodes["row_px"].to_numpy(float),
        "x": nodes["column_px"].to_numpy(float),
        "area": nodes["area_px"].to_numpy(np.int64),
        "track": nodes["track"].to_numpy(np.int64),
        "family": nodes["family"].to_numpy(np.int64),
    }
    units = {"t": "frame", "y": "pixel", "x": "pixel", "area": "pixel"}
    described = {
        name: {"identifier": name, "dtype": values.dtype.name, "varlength": False}
        | ({"unit": units[name]} if name in units else {})
        for name, values in properties.items()
    }
    scaled = {
        "t": (interval_min, "minute"),
        "y": (pixel_size_um, "micrometer"),
        "x": (pixel_size_um, "micrometer"),
    }
    axes = [
        {"name": name, "type": "time" if name == "t" else "space", "unit": units[name]}
        | ({"scale": scale, "scaled_unit": unit} if scale and math.isfinite(scale) else {})
        for name, (scale, unit) in scaled.items()
    ]
    metadata = {
        "geff_version": GEFF, "directed": True, "axes": axes, "node_props_metadata": described, "edge_props_metadata": {},
        "track_node_props": {"lineage": "family"},
    }  # fmt: skip
    if labels:
        metadata["related_objects"] = [{"type": "labels", "path": labels, "label_prop": "track"}]
    with whole(path) as temporary:
        write_group(temporary, {"geff": metadata})
        for kind in ("nodes", "edges"):
            write_group(temporary / kind)
            write_group(temporary / kind / "props")
        write_array(temporary / "nodes/ids", nodes["id"].to_numpy(np.uint64))
        write_array(temporary / "edges/ids", edges[["source", "target"]].to_numpy(np.uint64))
        for name, values in properties.items():
            write_group(temporary / "nodes/props" / name)
            write_array(temporary / "nodes/props" / name / "values", values)
