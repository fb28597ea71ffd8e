"""Sheets as spreadsheets, scripts and people write them."""

import numpy as np
from corpus.case import SIDE, Folder, found, refused, right
from textured import scene

IMAGE, LABELS = scene(3, SIDE, cells=8)


@right
def a_sheet_with_windows_line_ends(folder: Folder):
    folder.newline = "\r\n"
    folder.add(IMAGE, LABELS)
    return IMAGE, LABELS


@right
def a_sheet_with_the_line_ends_of_old_macs(folder: Folder):
    folder.newline = "\r"
    folder.add(IMAGE, LABELS)
    return IMAGE, LABELS


@right
def a_sheet_with_a_byte_order_mark(folder: Folder):
    folder.encoding = "utf-8-sig"
    folder.add(IMAGE, LABELS)
    return IMAGE, LABELS


@right
def unicode_text_of_excel(folder: Folder):
    folder.encoding, folder.newline = "utf-16", "\r\n"
    folder.add(IMAGE, LABELS)
    return IMAGE, LABELS


@right
def paths_with_spaces_and_commas(folder: Folder):
    folder.add(folder.tiff("my dish, day 1.tif", IMAGE), folder.tiff("my mask (1)'s.tif", LABELS))
    return IMAGE, LABELS


@right
def paths_in_other_scripts(folder: Folder):
    folder.add(folder.tiff("Zellen Größe µm 細胞.tif", IMAGE), folder.tiff("маска.tif", LABELS))
    return IMAGE, LABELS


@right
def a_path_from_the_root(folder: Folder):
    folder.add(str(folder.path / folder.tiff("far.tif", IMAGE)), LABELS)
    return IMAGE, LABELS


@right
def quotation_marks_around_cells(folder: Folder):
    folder.add(f'"{folder.tiff("a, b.tif", IMAGE)}"', LABELS)
    return IMAGE, LABELS


@right
def empty_lines_and_cells_at_the_end(folder: Folder):
    folder.newline = "\t\t\n\n"
    folder.add(IMAGE, LABELS)
    return IMAGE, LABELS


@right
def ids_that_look_like_numbers_and_na(folder: Folder):
    folder.add(IMAGE, LABELS, sample="007", group="1e5")
    folder.add(*scene(4, SIDE, cells=8), sample="NA", group="null")


@right
def fifty_thousand_rows(folder: Folder):
    """Only parsed: the rows are pages of a stack that nobody has."""
    folder.tiff("stack.tif", IMAGE), folder.tiff("masks.tif", LABELS)
    folder.rows = [
        {"sample": f"s{n}", "image": "stack.tif", "mask": "masks.tif", "group": f"g{n // 500}", "page": n}
        for n in range(50_000)
    ]
    folder.last = "parse"


@refused("parse", "samples.tsv", "50,000")
def fifty_thousand_rows_of_missing_files(folder: Folder):
    folder.rows = [
        {"sample": f"s{n}", "image": f"i{n}.tif", "mask": f"m{n}.tif", "group": f"g{n % 9}"}
        for n in range(50_000)
    ]


@refused("parse", "not a text in UTF-8", "Save the sheet")
def a_sheet_in_latin_1(folder: Folder):
    folder.encoding = "latin-1"
    folder.add(folder.tiff("Größe.tif", IMAGE), LABELS)


@refused("parse", "workbook")
def a_workbook(folder: Folder):
    folder.content = b"PK\x03\x04\x14\x00\x06\x00\x08\x00" + bytes(range(256))


@refused("parse", "commas", "Text (tab-delimited)")
def commas_between_columns(folder: Folder):
    folder.content = b"sample,image,mask,group\nodd,a.tif,b.tif,g\n"


@refused("parse", "empty")
def an_empty_sheet(folder: Folder):
    folder.content = b""


@refused("parse", "no rows")
def a_sheet_of_column_names_alone(folder: Folder):
    folder.rows, folder.header = [], ["sample", "image", "mask", "group"]


@refused("parse", "'image': 2 times")
def a_column_twice(folder: Folder):
    folder.header = ["sample", "image", "image", "mask", "group"]


@refused("parse", "'maks': unknown", "did you mean mask")
def a_misspelt_column(folder: Folder):
    folder.header = ["sample", "image", "maks", "group"]


@refused("parse", "column group: missing")
def no_column_of_groups(folder: Folder):
    folder.header = ["sample", "image", "mask"]


@refused("parse", "line 4", "tab too many")
def a_tab_too_many(folder: Folder):
    folder.add(IMAGE, LABELS, group="odd\textra")


@refused("parse", "line 4: group is empty")
def a_row_without_a_group(folder: Folder):
    folder.add(IMAGE, LABELS, group="")


@refused("parse", "line 4: sample is '../../up'", "such as")
def an_id_that_climbs_folders(folder: Folder):
    folder.add(folder.tiff("a.tif", IMAGE), folder.tiff("b.tif", LABELS), sample="../../up")


@refused("parse", "line 4: group is 'day 1/dish 2'", "day_1_dish_2")
def a_group_that_is_a_path(folder: Folder):
    folder.add(IMAGE, LABELS, group="day 1/dish 2")


@refused("parse", "line 4: sample is '細胞'")
def an_id_in_another_script(folder: Folder):
    folder.add(folder.tiff("a.tif", IMAGE), folder.tiff("b.tif", LABELS), sample="細胞")


@refused("parse", "line 4: sample is")
def an_id_of_a_thousand_letters(folder: Folder):
    folder.add(folder.tiff("a.tif", IMAGE), folder.tiff("b.tif", LABELS), sample="x" * 1000)


@refused("parse", "line 4", "dish {day} 1.tif", "braces")
def a_path_with_braces(folder: Folder):
    folder.add(folder.tiff("dish {day} 1.tif", IMAGE), LABELS)


@refused("parse", "line 4")
def a_line_break_within_a_cell(folder: Folder):
    folder.add('"new\nline.tif"', LABELS)


@refused("parse", "samples.tsv", "line 4")
def a_zero_byte_within_a_path(folder: Folder):
    folder.add("a\0b.tif", LABELS)


@refused("parse", "lines 2, 4", "'first' stands 2 times")
def a_sample_twice(folder: Folder):
    folder.add(folder.tiff("a.tif", IMAGE), folder.tiff("b.tif", LABELS), sample="first")


@refused("parse", "lines 2, 4", "first_image.tif")
def an_image_twice(folder: Folder):
    folder.add("first_image.tif", LABELS)


@refused("parse", "line 4: image and mask are the same file")
def a_mask_that_is_the_image(folder: Folder):
    folder.add(folder.tiff("a.tif", IMAGE), "a.tif")


@refused("parse", "line 4", "lost.tif", "no such")
def a_file_that_is_missing(folder: Folder):
    folder.add("lost.tif", LABELS)


@refused("parse", "no such sample sheet", "samples_new.tsv")
def a_sheet_that_is_missing(folder: Folder):
    folder.sheet = folder.path / "samples.tsv"
    folder.content, folder.sheet = b"", folder.path / "sample.tsv"
    folder.write_sheet = lambda: folder.bytes("samples_new.tsv", b"")


@refused("parse", "no such sample sheet")
def a_sheet_that_is_a_folder(folder: Folder):
    folder.content = b""
    folder.sheet.mkdir()


@refused("parse", "with a point, not a comma")
def a_pixel_size_with_a_comma(folder: Folder):
    folder.rows = []
    folder.add(IMAGE, LABELS, pixel_size_um="0,65")


@refused("parse", "pixel_size_um is '0'", "above 0")
def a_pixel_size_of_nothing(folder: Folder):
    folder.rows = []
    folder.add(IMAGE, LABELS, pixel_size_um="0")


@refused("parse", "pixel_size_um is 'inf'")
def a_pixel_size_without_end(folder: Folder):
    folder.rows = []
    folder.add(IMAGE, LABELS, pixel_size_um="inf")


@refused("parse", "frame is '-1'", "a whole number")
def a_negative_frame(folder: Folder):
    folder.rows = []
    folder.add(IMAGE, LABELS, frame="-1")


@refused("parse", "split is 'tset'", "did you mean test")
def a_misspelt_split(folder: Folder):
    folder.rows = []
    folder.add(IMAGE, LABELS, split="tset")


@refused("parse", "column split: filled in 1 of 3 rows")
def a_split_for_some_rows(folder: Folder):
    folder.add(IMAGE, LABELS, split="test")


@refused("prepare", "both in µm")
def pixel_sizes_in_nanometres(folder: Folder):
    folder.config["images"] = {"working_pixel_size_um": 1.3}
    folder.rows = []
    for seed in range(3):
        folder.add(*scene(seed, SIDE, cells=8), sample=f"s{seed}", group=f"g{seed}", pixel_size_um="650")


@refused("parse", "3 groups")
def more_folds_than_groups(folder: Folder):
    folder.config["folds"] = {"number": 9}
    folder.add(IMAGE, LABELS)


@found("pixel_sizes", "warning")
def two_pixel_sizes_and_no_common_one(folder: Folder):
    for number, row in enumerate([*folder.rows, folder.add(IMAGE, LABELS)]):
        row["pixel_size_um"] = ("0.65", "0.325")[number % 2]


@found("leakage")
def the_same_picture_in_training_and_test(folder: Folder):
    for row, split in zip(folder.rows, ("train", "validate"), strict=True):
        row["split"] = split
    folder.add(IMAGE, LABELS, split="train")
    folder.add(IMAGE, np.roll(LABELS, 1), sample="again", split="test")


@found("same_field", "warning")
def one_field_at_two_times_as_two_groups(folder: Folder):
    folder.add(IMAGE, LABELS, sample="early", group="well3_24h")
    folder.add(*scene(12, SIDE, cells=8), sample="late", group="well3_48h")


@refused("parse", "track", "man_track.tif: no such file", "correct the path")
def tracks_that_are_missing(folder: Folder):
    for row in folder.rows:
        row["track"] = row["mask"]
    folder.add(IMAGE, LABELS, track="man_track.tif")


@refused("parse", "2 groups for 3 folds", "set folds.number to 2")
def two_groups_for_three_folds(folder: Folder):
    folder.config["folds"] = {"number": 3}


@right
def two_groups_for_two_folds(folder: Folder):
    folder.config["folds"] = {"number": 2}
    for seed in (21, 22):
        group = folder.rows[seed - 21]["group"]
        folder.add(*scene(seed, SIDE, cells=8), sample=f"s{seed}", group=group)
