"""What is written comes back: sheets, configs and the numbers of cells, for inputs that nobody thought of."""

import os
import tempfile
from pathlib import Path

import numpy as np
import pytest
import tifffile
import yaml
from hypothesis import example, given, reject
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import prepare
from brightcell.config import validation
from brightcell.errors import InputError
from brightcell.io import stacks
from brightcell.sheets.samples import read_samples

SCHEMA = validation.load_schema()
LARGEST = 2**31 - 1

# Sheets

ids = st.from_regex(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,20}", fullmatch=True).filter(
    lambda text: ".." not in text
)
characters = st.characters(exclude_categories=("C", "Z"), exclude_characters='"/{}')
names = (
    st.text(characters | st.just(" "), min_size=1, max_size=20)
    .map(str.strip)
    .filter(lambda name: name.strip("."))
)
rows = st.lists(
    st.fixed_dictionaries(
        {
            "sample": ids,
            "image": names.map("images/{}".format),
            "mask": names.map("masks/{}".format),
            "group": ids,
            "frame": st.integers(0, 10**9 - 1).map(str),
            "split": st.sampled_from(["train", "validate", "test"]),
            "pixel_size_um": st.floats(1e-3, 1e3).map(repr),
        }
    ),
    min_size=1,
    max_size=6,
    unique_by=(lambda row: row["sample"], lambda row: os.path.normpath(row["image"])),
)


@given(
    rows,
    st.permutations(list(validation.load_schema(validation.SAMPLES_SCHEMA)["properties"])[:7]),
    st.sampled_from(["\n", "\r\n", "\r", "\n\n"]),
    st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]),
    st.booleans(),
)
def test_a_sheet_comes_back_whoever_wrote_it(rows, header, newline, encoding, quoted):
    def cell(text):
        return '"' + text.replace('"', '""') + '"' if quoted else text

    lines = [header, *([row[name] for name in header] for row in rows)]
    text = "".join("\t".join(map(cell, line)) + newline for line in lines)
    with tempfile.TemporaryDirectory() as folder:
        sheet = Path(folder) / "samples.tsv"
        sheet.write_bytes(text.encode(encoding))
        table = read_samples(sheet)
        for row, read in zip(rows, table.to_dict("records"), strict=True):
            paths = {name: os.path.normpath(f"{folder}/{row[name]}") for name in ("image", "mask")}
            assert {name: read[name] for name in row} == row | paths


@given(st.binary(max_size=300) | st.text(st.sampled_from('a\t\n\r" ,;.%é'), max_size=60).map(str.encode))
@example(b"\xff\xfe")
@example(b"sample\timage\tmask\tgroup\n\t\t\t\n")
def test_no_content_of_a_sheet_ends_in_anything_but_a_table_or_words(content):
    with tempfile.TemporaryDirectory() as folder:
        sheet = Path(folder) / "samples.tsv"
        sheet.write_bytes(content)
        try:
            table = read_samples(sheet, check_files=True)
        except InputError as error:
            assert str(sheet) in str(error)
        else:
            assert len(table)


# Configs


def values(schema):
    """Draw what a schema allows."""
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    kinds = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    return st.one_of([_of_kind(kind, schema) for kind in kinds])


def _of_kind(kind, schema):
    low, high = schema.get("minimum"), schema.get("maximum")
    above, below = schema.get("exclusiveMinimum"), schema.get("exclusiveMaximum")
    if kind == "object":
        parts = {key: values(entry) for key, entry in schema.get("properties", {}).items()}
        required = {key: parts.pop(key) for key in schema.get("required", ())}
        return st.fixed_dictionaries(required, optional=parts)
    if kind == "array":
        limits = {"min_size": schema.get("minItems", 0), "max_size": min(schema.get("maxItems", 4), 4)}
        unique = {"unique_by": repr} if schema.get("uniqueItems") else {}
        return st.lists(values(schema["items"]), **limits, **unique)
    if kind == "integer":
        return st.integers(low if low is not None else (above or 0) + 1, min(high or 2**31 - 1, 10**6))
    if kind == "number":
        least, most = (low if low is not None else above), (high if high is not None else below)
        return st.floats(
            least,
            most,
            exclude_min=above is not None,
            exclude_max=below is not None,
            allow_nan=False,
            allow_infinity=False,
        )
    if kind == "string":
        if "pattern" in schema:
            return st.from_regex(schema["pattern"]).filter(
                lambda text: 0 < len(text) <= schema.get("maxLength", 99)
            )
        return st.text(characters, min_size=max(1, schema.get("minLength", 0)), max_size=20)
    return {"boolean": st.booleans(), "null": st.none()}[kind]


@given(values(SCHEMA | {"required": ["dataset", "samples"]}))
def test_a_config_comes_back_from_yaml_with_all_its_values(config):
    try:
        whole = validation.complete(config, SCHEMA)
    except InputError:  # one key asks something of another
        reject()
    # The order of the schemes means nothing: the honest one comes first.
    config.get("folds", {}).get("schemes", []).sort(key=lambda scheme: scheme != "grouped")
    assert holds(whole, config)
    again = yaml.safe_load(yaml.safe_dump(whole, allow_unicode=True))
    assert validation.complete(again, SCHEMA) == whole


def holds(whole, part):
    """Say whether a completed config holds all values of a config."""
    if isinstance(whole, dict):
        return part is None or all(holds(whole[key], value) for key, value in part.items())
    return whole == part


scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9)
anything = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
)
sections = st.dictionaries(st.sampled_from(list(SCHEMA["properties"])), anything, max_size=4)


@given(sections)
def test_no_config_ends_in_anything_but_settings_or_words(config):
    try:
        whole = validation.complete({"dataset": "mine", "samples": "mine.tsv"} | config, SCHEMA, "mine.yaml")
    except InputError as error:
        assert "mine.yaml: " in str(error)
    else:
        assert set(whole) >= set(SCHEMA["properties"]) - {"simulate", "archive"}


# Numbers of cells

numbers = st.sampled_from(
    [1, 2, 255, 256, 300, 65_535, 65_536, 70_000, 2**24, 2**24 + 1, LARGEST - 1, LARGEST]
)
numbers |= st.integers(1, LARGEST)


@st.composite
def label_images(draw):
    """Draw labels of at least two cells, and a type of number that holds them."""
    shape = draw(hnp.array_shapes(min_dims=2, max_dims=2, min_side=3, max_side=12))
    some = draw(st.lists(numbers, min_size=2, max_size=5, unique=True))
    labels = draw(hnp.arrays(np.int64, shape, elements=st.sampled_from([0, *some])))
    labels.flat[:3] = 0, *some[:2]
    types = [np.int64, np.uint32, np.int32]
    types += [each for each in (np.uint8, np.uint16) if labels.max() <= np.iinfo(each).max]
    types += [np.float64, np.float32] if labels.max() <= 2**24 else [np.float64]
    return labels, draw(st.sampled_from(types))


def prepared(mask, folder, **options):
    """Bring one mask through `prepare`, and read its labels from the stack."""
    folder = Path(folder)
    image = np.random.default_rng(1).integers(0, 255, mask.shape).astype(np.uint8)
    for name, array in (("image.tif", image), ("mask.tif", mask)):
        tifffile.imwrite(folder / name, array, photometric="minisblack", compression="zlib")
    row = {"sample": "a", "image": str(folder / "image.tif"), "mask": str(folder / "mask.tif"), "group": "g"}
    row |= {"frame": "", "split": "", "pixel_size_um": "", "page": "", "scene": ""}
    config = validation.complete({"dataset": "d", "samples": "s", "images": options}, SCHEMA)
    outputs = [folder / name for name in ("frames.tif", "truth.tif", "samples.tsv")]
    prepare.main([row], config["images"], *outputs, config["preprocess"])
    return stacks.read_stack(outputs[1])["a"]


@given(label_images(), st.sampled_from(["auto", "instances"]))
def test_numbers_of_cells_survive_from_the_file_to_the_stack(drawn, mask_type):
    labels, dtype = drawn
    with tempfile.TemporaryDirectory() as folder:
        read = prepared(labels.astype(dtype), folder, mask_type=mask_type)
    assert read.dtype == np.int32
    np.testing.assert_array_equal(read, labels)


@given(label_images(), st.sampled_from([0.25, 0.5, 2, 3]))
def test_rescaling_makes_no_numbers_up(drawn, factor):
    labels, _ = drawn
    with tempfile.TemporaryDirectory() as folder:
        read = prepared(
            labels, folder, mask_type="instances", pixel_size_um=factor, working_pixel_size_um=1.0
        )
    assert read.shape == tuple(max(1, round(side * factor)) for side in labels.shape)
    assert set(np.unique(read)) <= set(np.unique(labels))
    if factor > 1:
        assert set(np.unique(read)) == set(np.unique(labels))


@pytest.mark.parametrize("dtype", [np.int64, np.uint64, np.float64])
@given(st.integers(LARGEST + 1, 2**52), st.integers(0, 8))
def test_numbers_beyond_32_bits_are_refused_in_words(dtype, number, place):
    labels = np.zeros((3, 3), dtype)
    labels.flat[place] = number
    with (
        tempfile.TemporaryDirectory() as folder,
        pytest.raises(InputError, match="numbers from 1 to 2,147,483,647"),
    ):
        prepared(labels, folder, mask_type="instances")
