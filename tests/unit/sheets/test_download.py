import hashlib
import io
import json
import socket
import stat
import subprocess
import tarfile
import zipfile

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from server import Site, serve

import fetch as fetch_script
from brightcell.config import validation as config_settings
from brightcell.errors import InputError
from brightcell.sheets import archive, download, layouts

CONTENT = bytes(range(256)) * 400
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def site():
    return Site(CONTENT)


def get(site, path, sha256=SHA256, **options):
    with serve(site) as url:
        download.download(url, path, sha256, pause_s=0, **options)


def kept(path):
    """Names of the files beside a download."""
    return sorted(each.name for each in path.parent.iterdir())


def test_a_download_appears_whole_and_alone(site, tmp_path):
    path = tmp_path / "new/a.zip"
    get(site, path, SHA256.upper())
    assert path.read_bytes() == CONTENT
    assert kept(path) == ["a.zip"]


def test_a_broken_download_goes_on_where_it_broke(site, tmp_path):
    site.breaks = [10_000, 20_000]
    get(site, tmp_path / "a.zip")
    assert (tmp_path / "a.zip").read_bytes() == CONTENT
    assert site.asked == [None, "bytes=10000-", "bytes=30000-"]
    assert site.sent == len(CONTENT)  # not a byte twice


def test_a_later_call_goes_on_from_what_is_kept(site, tmp_path):
    path = tmp_path / "a.zip"
    site.breaks = [1_000] * download.TRIES
    with serve(site) as url:
        with pytest.raises(InputError, match="broken off after 5,000 bytes"):
            download.download(url, path, SHA256, pause_s=0)
        assert kept(path) == ["a.zip.part", "a.zip.part.json"]
        download.download(url, path, SHA256, pause_s=0)
    assert site.asked[-1] == "bytes=5000-"
    assert path.read_bytes() == CONTENT
    assert kept(path) == ["a.zip"]


def test_a_file_that_changed_meanwhile_is_fetched_from_the_start(site, tmp_path):
    path = tmp_path / "a.zip"
    new = CONTENT[::-1]
    with serve(site) as url:
        site.breaks = [1_000] * download.TRIES
        with pytest.raises(InputError):
            download.download(url, path, SHA256, pause_s=0)
        site.content, site.tag = new, '"v2"'
        download.download(url, path, hashlib.sha256(new).hexdigest(), pause_s=0)
    assert path.read_bytes() == new


@pytest.mark.parametrize("tag", ['"v1"', None, 'W/"weak"'])
def test_a_server_without_ranges_or_marks_sends_all_again(site, tmp_path, tag):
    site.ranges, site.tag, site.breaks = False, tag, [50_000]
    get(site, tmp_path / "a.zip")
    assert (tmp_path / "a.zip").read_bytes() == CONTENT


def test_pieces_that_do_not_fit_are_thrown_away_and_all_is_fetched_once_more(site, tmp_path):
    path = tmp_path / "a.zip"
    with serve(site) as url:
        (tmp_path / "a.zip.part").write_bytes(b"from elsewhere")
        notes = {"url": url, "mark": site.tag, "bytes": None}
        (tmp_path / "a.zip.part.json").write_text(json.dumps(notes))
        download.download(url, path, SHA256, pause_s=0)
    assert site.asked == ["bytes=14-", None]
    assert path.read_bytes() == CONTENT


def test_damaged_notes_are_no_obstacle(site, tmp_path):
    (tmp_path / "a.zip.part").write_bytes(CONTENT[:99])
    (tmp_path / "a.zip.part.json").write_text("[1")
    get(site, tmp_path / "a.zip")
    assert site.asked == [None]
    assert (tmp_path / "a.zip").read_bytes() == CONTENT


def test_a_wrong_digest_is_refused_and_the_file_removed(site, tmp_path):
    path = tmp_path / "sub/a.zip"
    with pytest.raises(InputError, match=f"Found SHA-256 {SHA256}") as raised:
        get(site, path, "0" * 64)
    assert "expected " + "0" * 64 in str(raised.value)
    assert kept(path) == []
    assert len(site.asked) == 1


def test_a_web_page_in_place_of_the_file_is_called_so(tmp_path):
    site = Site(b"\n<!DOCTYPE html><title>Log in</title>")
    site.kind = "text/html"
    with pytest.raises(InputError, match="a web page"):
        get(site, tmp_path / "a.zip")


def test_without_a_digest_the_files_is_told_and_no_byte_comes_twice(site, tmp_path):
    path = tmp_path / "a.zip"
    with serve(site) as url:
        with pytest.raises(InputError, match=f"its SHA-256 is {SHA256}"):
            download.download(url, path, None, pause_s=0)
        assert not path.exists()
        download.download(url, path, SHA256, pause_s=0)
    assert len(site.asked) == 1
    assert path.read_bytes() == CONTENT


@pytest.mark.parametrize("code", [401, 403, 404, 410])
def test_a_refusal_is_told_at_once(site, tmp_path, code):
    site.status = [code]
    with pytest.raises(InputError, match=f"answers {code} .*archive.file"):
        get(site, tmp_path / "a.zip")
    assert len(site.asked) == 1


def test_a_server_that_is_busy_is_asked_again(site, tmp_path):
    site.status = [503, 429, 500]
    get(site, tmp_path / "a.zip")
    assert (tmp_path / "a.zip").read_bytes() == CONTENT


def test_a_server_that_sends_nothing_is_given_up(site, tmp_path):
    site.pause_s = 2
    with pytest.raises(InputError, match="broken off after 0 bytes"):
        get(site, tmp_path / "a.zip", timeout_s=0.05)


def test_a_server_that_sends_without_end(site, tmp_path, monkeypatch):
    monkeypatch.setattr(download, "LARGEST_UNTOLD", 3 * len(CONTENT))
    site.endless = True
    with pytest.raises(InputError, match="sends without end"):
        get(site, tmp_path / "a.zip")
    assert kept(tmp_path / "a.zip") == ["a.zip.part.json"]
    assert site.asked == [None]


def test_a_server_that_sends_byte_by_byte_is_given_up_and_gone_on_with(site, tmp_path, monkeypatch):
    monkeypatch.setattr(download, "TOTAL_S", 0.3)
    site.drip_s = 0.01
    with serve(site) as url:
        with pytest.raises(InputError, match=r"not complete after .* bytes have come and are kept"):
            download.download(url, tmp_path / "a.zip", SHA256)
        come = (tmp_path / "a.zip.part").stat().st_size
        assert come > 2
        monkeypatch.setattr(download, "TOTAL_S", 60)
        site.drip_s = 0
        download.download(url, tmp_path / "a.zip", SHA256)
    assert site.asked == [None, f"bytes={come}-"]
    assert (tmp_path / "a.zip").read_bytes() == CONTENT


def test_a_server_that_never_begins(tmp_path, monkeypatch):
    monkeypatch.setattr(download, "BEGIN_S", 0.1)
    silent = socket.create_server(("127.0.0.1", 0))
    with silent, pytest.raises(InputError, match="has not begun to send within 0 s"):
        download.download(f"http://127.0.0.1:{silent.getsockname()[1]}/a.zip", tmp_path / "a.zip", SHA256)


@pytest.mark.parametrize(
    ("elsewhere", "told"),
    [("ftp://127.0.0.1/a.zip", "sends on to ftp://127.0.0.1/a.zip"), ("file:///etc/hostname", "answers 302")],
)
def test_no_server_sends_on_to_files_or_ftp(site, tmp_path, elsewhere, told):
    site.elsewhere = elsewhere
    with pytest.raises(InputError, match=told):
        get(site, tmp_path / "a.zip")


def test_a_server_may_send_on_to_another(site, tmp_path):
    with serve(Site(CONTENT)) as other:
        site.elsewhere = other
        get(site, tmp_path / "a.zip")
    assert (tmp_path / "a.zip").read_bytes() == CONTENT


def test_no_server(tmp_path):
    with serve(Site(b"")) as url:
        pass
    with pytest.raises(InputError, match="connected to the network"):
        download.download(url, tmp_path / "a.zip", SHA256, pause_s=0)


def test_addresses(tmp_path):
    path = tmp_path / "a b.zip"
    assert download.local_path(path.as_uri()) == str(path)
    assert download.local_path("https://example.org/a.zip") is None
    for wrong in ("ftp://example.org/a.zip", "example.org/a.zip", "file://host/a.zip", "https://"):
        with pytest.raises(InputError, match="expected an address"):
            download.local_path(wrong)


def test_pip_gets_a_package_by_its_digest(tmp_path, monkeypatch):
    def pip(command, **_):
        assert command[2:4] == ["pip", "download"] and command[-2:] == ["--", "cells==1.0"]
        folder = command[command.index("--dest") + 1]
        with open(f"{folder}/cells-1.0-py3-none-any.whl", "wb") as file:  # noqa: PTH123
            file.write(CONTENT)
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(download.subprocess, "run", pip)
    download.download_package("cells==1.0", tmp_path / "a.zip", SHA256)
    assert (tmp_path / "a.zip").read_bytes() == CONTENT
    with pytest.raises(InputError, match="the wrong file"):
        download.download_package("cells==1.0", tmp_path / "b.zip", "0" * 64)
    assert kept(tmp_path / "a.zip") == ["a.zip"]


def test_pips_fault_is_told(tmp_path):
    with pytest.raises(InputError, match=r"pip could not download it.*archive\.file"):
        download.download_package("no such name", tmp_path / "a.zip", SHA256)


# Unpacking.


def write_zip(path, members):
    """Write a zip of (name or ZipInfo, bytes)."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in members:
            file.writestr(name, content)
    return path


def unpack(tmp_path, held, **options):
    return archive.unpack(write_zip(tmp_path / "a.zip", held), tmp_path / "out", "d" * 64, **options)


def test_an_archive_is_unpacked_whole(tmp_path):
    members = [
        ("a/b.tif", b"1"),
        ("a/c d.tif", b"2"),
        ("ä.txt", b"3"),
        ("__MACOSX/a/._b.tif", b""),
        ("empty/", b""),
    ]
    assert unpack(tmp_path, members) == 3
    out = tmp_path / "out"
    files = {str(path.relative_to(out)): path.read_bytes() for path in out.rglob("*.t*") if path.is_file()}
    assert files == {"a/b.tif": b"1", "a/c d.tif": b"2", "ä.txt": b"3"}
    assert archive.unpacked(out, "d" * 64)
    assert not archive.unpacked(out, "e" * 64)
    assert unpack(tmp_path, members) == 3  # again: nothing to do


def test_only_the_members_asked_for(tmp_path):
    members = [("p/data/a_img.tif", b"1"), ("p/data/a_mask.tif", b"2"), ("p/code.py", b"3")]
    assert unpack(tmp_path, members, members=["*/data/*.tif"]) == 2
    assert not (tmp_path / "out/p/code.py").exists()


def test_a_folder_that_holds_other_files_is_left_alone(tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out/mine.txt").write_text("mine")
    with pytest.raises(InputError, match="holds other files already"):
        unpack(tmp_path, [("a.tif", b"1")])
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["mine.txt"]


def special(name, mode):
    entry = zipfile.ZipInfo(name)
    entry.create_system, entry.external_attr = 3, mode << 16
    return entry


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ("../out.tif", "leads out"),
        ("a/../../out.tif", "leads out"),
        ("/etc/out.tif", "leads out"),
        ("C:/out.tif", "leads out"),
        ("a\\..\\..\\out.tif", "leads out"),
        ("a\nb.tif", "line break"),
        (special("link", stat.S_IFLNK | 0o777), "a link"),
        (special("pipe", stat.S_IFIFO | 0o644), "a link or a device"),
    ],
)
def test_what_could_do_harm_is_refused_before_a_byte_is_written(tmp_path, entry, message):
    with pytest.raises(InputError, match=message):
        unpack(tmp_path, [("good.tif", b"1"), (entry, b"/etc/passwd")])
    assert kept(tmp_path / "a.zip") == ["a.zip"]


def test_a_name_that_stands_twice_is_refused(tmp_path):
    with pytest.raises(InputError, match="stands twice"):
        unpack(tmp_path, [("a/B.tif", b"1"), ("a/b.tif", b"2")])


def test_a_bomb_is_refused_before_a_byte_is_written(tmp_path, monkeypatch):
    monkeypatch.setattr(archive, "LARGEST_BYTES", 10**6)
    with pytest.raises(InputError, match="unpack to 4,000,000"):
        unpack(tmp_path, [(f"{n}.tif", bytes(10**6)) for n in range(4)])
    monkeypatch.setattr(archive, "MOST_FILES", 3)
    with pytest.raises(InputError, match="4 files; expected at most 3"):
        unpack(tmp_path, [(f"{n}.tif", b"1") for n in range(4)])
    assert kept(tmp_path / "a.zip") == ["a.zip"]


def test_a_size_that_lies_is_found_out(tmp_path):
    path = write_zip(tmp_path / "a.zip", [("a.tif", bytes(5000))])
    content = bytearray(path.read_bytes())
    place = content.rindex(b"PK\x01\x02") + 24  # the size in the list of contents
    content[place : place + 4] = (10).to_bytes(4, "little")
    path.write_bytes(content)
    with pytest.raises(InputError, match="damaged"):
        archive.unpack(path, tmp_path / "out", "d" * 64)
    assert kept(path) == ["a.zip"]


@pytest.mark.parametrize("content", [b"", b"no zip", None])
def test_what_is_no_zip_is_told(tmp_path, content):
    path = write_zip(tmp_path / "a.zip", [("a.tif", bytes(range(256)) * 40)])
    path.write_bytes(path.read_bytes()[:-50] if content is None else content)
    with pytest.raises(InputError, match="no zip or tar file, or a damaged one"):
        archive.unpack(path, tmp_path / "out", "d" * 64)


def test_members_that_fit_nothing_are_told(tmp_path):
    with pytest.raises(InputError, match=r"\*\.nd2\. It holds a\.tif"):
        unpack(tmp_path, [("a.tif", b"1")], members=["*.nd2"])


@pytest.mark.filterwarnings("ignore:Duplicate name")
@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.text(max_size=12), min_size=1, max_size=4), st.integers(0, 10**6), st.integers(0, 255))
def test_any_archive_is_unpacked_inside_or_refused(tmp_path_factory, names, place, byte):
    folder = tmp_path_factory.mktemp("any")
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as file:
        for name in names:
            try:
                file.writestr(zipfile.ZipInfo(name), b"content")
            except ValueError:
                return
    content = bytearray(packed.getvalue())
    content[place % len(content)] = byte
    (folder / "a.zip").write_bytes(content)
    try:
        archive.unpack(folder / "a.zip", folder / "in/out", "d" * 64)
    except InputError:
        assert not (folder / "in/out").exists()
    assert {path.name for path in folder.iterdir()} <= {"a.zip", "in"}
    assert not (folder / "in").exists() or {path.name for path in (folder / "in").iterdir()} <= {"out"}


# The rule's script.

OPTIONS = {
    "url": None, "file": None, "package": None, "sha256": None, "folder": None,
    "members": ["*"], "layout": None, "pattern": None, "block": None,
}  # fmt: skip


def test_a_local_file_is_verified_unpacked_kept_and_made_a_sheet_of(tmp_path):
    path = write_zip(tmp_path / "mine.zip", [("d/images/x_1.png", b"1"), ("d/masks/x_1.png", b"2")])
    sheet = tmp_path / "data/samples.tsv"
    options = OPTIONS | {"file": str(path)}
    with pytest.raises(InputError, match=f"its SHA-256 is {download.digest(path)}"):
        fetch_script.main(options, sheet)
    options["sha256"] = download.digest(path)
    fetch_script.main(options, sheet)
    assert sheet.read_text().splitlines()[1].split("\t")[:3] == ["x_1", "d/images/x_1.png", "d/masks/x_1.png"]
    assert path.exists()

    sheet.write_text("mine")
    path.unlink()
    fetch_script.main(options, sheet)  # all is there: neither unpacked nor written again
    assert sheet.read_text() == "mine"
    with pytest.raises(InputError, match="holds other files already"):
        fetch_script.main(options | {"sha256": "0" * 64}, sheet)


def test_a_local_file_that_is_missing_is_told(tmp_path):
    with pytest.raises(InputError, match="Download the archive in a browser"):
        fetch_script.main(OPTIONS | {"file": str(tmp_path / "no.zip")}, tmp_path / "data/samples.tsv")


def test_a_download_is_removed_when_it_is_unpacked(tmp_path):
    path = write_zip(tmp_path / "a.zip", [("a.png", b"1"), ("a_mask.png", b"2")])
    site = Site(path.read_bytes())
    options = OPTIONS | {"sha256": download.digest(path), "folder": str(tmp_path / "data/cells")}
    with serve(site) as url:
        fetch_script.main(options | {"url": url}, tmp_path / "samples.tsv")
        (tmp_path / "data/cells.zip").write_bytes(
            site.content
        )  # as a kill between download and unpacking leaves it
        (tmp_path / "data/cells").rename(tmp_path / "elsewhere")
        fetch_script.main(options | {"url": url}, tmp_path / "samples.tsv")
    assert len(site.asked) == 1
    assert kept(tmp_path / "data/cells") == ["cells"]
    assert (tmp_path / "samples.tsv").read_text().splitlines()[1].startswith("a\tdata/cells/a.png\t")


def test_an_archive_in_the_archive_is_named(tmp_path):
    path = write_zip(tmp_path / "a.zip", [("inner.zip", b"1"), ("a.tif", b"")])
    options = OPTIONS | {"file": str(path), "sha256": download.digest(path), "layout": "study"}
    with pytest.raises(InputError, match=r"holds another, inner\.zip: unpack it"):
        fetch_script.main(options, tmp_path / "data/samples.tsv")


@pytest.mark.parametrize("missing", ["sheet", "folder", None])
def test_without_sheet_or_folder_it_is_told_to_fetch(tmp_path, missing):
    sheet, folder = tmp_path / "samples.tsv", tmp_path / "data"
    if missing != "sheet":
        sheet.touch()
    if missing != "folder":
        folder.mkdir()
    assert archive.fetched(sheet, OPTIONS | {"folder": str(folder)}) == (missing is None)
    assert archive.fetched(sheet, None)
    assert "snakemake fetch --configfile" in archive.advice(sheet, ["config/mine.yaml"])


def test_an_archive_comes_from_one_place():
    schema = config_settings.load_schema()
    given = {"dataset": "a", "samples": "a.tsv"}
    for options in ({}, {"url": "https://example.org/a.zip", "file": "a.zip"}):
        with pytest.raises(
            InputError, match=r"expected one of archive\.url, archive\.file and archive\.package"
        ):
            config_settings.complete(given | {"archive": options}, schema)
    with pytest.raises(InputError, match="beside simulate"):
        config_settings.complete(given | {"archive": {"file": "a.zip"}, "simulate": {}}, schema)
    done = config_settings.complete(given | {"archive": {"file": "a.zip"}}, schema)
    assert {key: value for key, value in done["archive"].items() if key != "file"} == {
        key: value for key, value in OPTIONS.items() if key != "file"
    }
    assert schema["properties"]["archive"]["properties"]["layout"]["enum"] == [*layouts.LAYOUTS, None]


def tar_of(path, names, kind=tarfile.REGTYPE, size=4):
    with tarfile.open(path, "w:gz") as tar:
        for name in names:
            member = tarfile.TarInfo(name)
            member.type, member.size, member.linkname = (
                kind,
                size if kind == tarfile.REGTYPE else 0,
                "elsewhere",
            )
            tar.addfile(member, io.BytesIO(b"x" * member.size))
    return path


def test_a_tar_archive_is_unpacked_whole(tmp_path):
    packed = tar_of(tmp_path / "a.tar.gz", ["set/a_im.tif", "set/a_mask.tif", "set/.DS_Store"])
    assert archive.unpack(packed, tmp_path / "out", "0" * 64) == 2
    assert (tmp_path / "out/set/a_mask.tif").read_bytes() == b"xxxx"
    assert not (tmp_path / "out/set/.DS_Store").exists()


@pytest.mark.parametrize(
    ("name", "kind", "message"),
    [
        ("../a.tif", tarfile.REGTYPE, "leads out of the folder"),
        ("/a.tif", tarfile.REGTYPE, "leads out of the folder"),
        ("a.tif", tarfile.SYMTYPE, "is a link or a device"),
        ("a.tif", tarfile.LNKTYPE, "is a link or a device"),
        ("a.tif", tarfile.FIFOTYPE, "is a link or a device"),
    ],
)
def test_a_tar_archive_that_could_do_harm_is_refused(tmp_path, name, kind, message):
    with pytest.raises(InputError, match=message):
        archive.unpack(tar_of(tmp_path / "a.tgz", [name], kind), tmp_path / "out", "0" * 64)
    assert [path.name for path in tmp_path.iterdir()] == ["a.tgz"]


def test_tar_bombs_and_cut_tar_archives_are_refused(tmp_path, monkeypatch):
    packed = tar_of(tmp_path / "a.tgz", ["a.tif", "b.tif"], size=200_000)
    whole = packed.read_bytes()
    packed.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match="no zip or tar file, or a damaged one"):
        archive.unpack(packed, tmp_path / "out", "0" * 64)
    packed.write_bytes(whole)
    monkeypatch.setattr(archive, "LARGEST_BYTES", 100_000)
    with pytest.raises(InputError, match="no archive of images"):
        archive.unpack(packed, tmp_path / "out", "0" * 64)
    assert not (tmp_path / "out").exists()
