# Which files belong to a recording, for segment.smk and recordings.smk. No rule is defined here.


def first_rows(recording):
    """The rows of a recording by whose grey values all its frames are mapped, where they are mapped alike."""
    if config["preprocess"]["bit_depth"] != "group":
        return []
    return RECORDINGS[recording][: chunks.FIRST]


@functools.cache
def chunks_of(recording):
    """The chunks of a recording: those that are finished, and new ones for the other frames."""
    folder = result(f"segmented/{recording}/chunks")
    size = config["segment"]["chunk"]
    return chunks.plan(len(RECORDINGS[recording]), size, chunks.finished(folder))


def chunk_files(name):
    """An input function: a file of every chunk of the recording in the wildcards."""
    return lambda wildcards: [
        result(f"segmented/{wildcards.recording}/chunks/{chunk}/{name}")
        for chunk in chunks_of(wildcards.recording)
    ]


def probability_if_wanted(path):
    """An output for the foreground probability, where the config asks for it."""
    return {"probability": path} if config["segment"]["probability"] else {}


@functools.cache
def time_lapses():
    """The recordings whose frames have an order."""
    return chunks.time_lapses(recordings)


def followed():
    """The recordings whose cells are followed: time-lapses, unless the config says otherwise."""
    return time_lapses() if config["segment"]["tracks"]["link"] else []


def scored():
    """The recordings whose tracks are scored: those that are followed and have true tracks."""
    return [recording for recording in followed() if recording in TRUE_TRACKS]


def files_of_truth(wildcards):
    """The files with the true tracks of a recording."""
    truth = TRUE_TRACKS[wildcards.recording]
    paths = [path for path, _ in truth["frames"].values()]
    return list(dict.fromkeys(path for path in (*paths, truth["lineage"]) if path))


def lineages_if_followed(path):
    """An output of a film's job: the table of tracks, where cells are followed."""
    return {"lineages": path} if config["segment"]["tracks"]["link"] else {}


def of_each(name, recordings):
    """A file of each of some recordings."""
    return [result(f"segmented/{recording}/{name}") for recording in recordings]


# What `segment.exports` adds to a recording.
EXPORTS = {
    "trackmate": "tracks.xml",
    "geff": "tracks.geff",
    "ome-zarr": "labels.ome.zarr",
}


def wanted(*formats):
    """The formats of these that the config asks for."""
    return [name for name in formats if name in config["segment"]["exports"]]


FILMS = ["recordings.tsv", "conditions.tsv", "differences.tsv", "films.html"]


def segmented_recordings(wildcards):
    """What `segment` makes of every recording."""
    if not RECORDINGS:
        raise WorkflowError(
            "segment: the config names no recordings. Expected their sheet, the columns sample, image and group without "
            "mask: segment: {samples: new/samples.tsv}, or their paths: segment: {images: new/*.tif}. docs/segment.md "
            "says more."
        )
    names = [
        *("labels.ome.tif", "cells.tsv", "frames.tsv", "rois.zip", "cells.geojson"),
        *("quality.tsv", "preview.html"),
        *probability_if_wanted("probability.ome.tif").values(),
    ]
    return [
        result(f"segmented/{recording}/{name}")
        for recordings, names in (
            (RECORDINGS, names),
            (time_lapses(), ["course.tsv", "measures.tsv"]),
            (followed(), ["tracks.tsv", "ctc", "lineages.tsv"]),
            (scored(), ["tracking.tsv"]),
            (RECORDINGS, [EXPORTS[name] for name in wanted("ome-zarr")]),
            (followed(), [EXPORTS[name] for name in wanted("trackmate", "geff")]),
        )
        for recording in recordings
        for name in names
    ] + [result(f"films/{name}") for name in FILMS if time_lapses()]
