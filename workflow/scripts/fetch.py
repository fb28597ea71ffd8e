"""Get the archive of images that the config names, unpack it, and make the sheet if there is none."""

import logging
from pathlib import Path

import make_samples
from brightcell.errors import InputError
from brightcell.files import expand
from brightcell.jobs import job
from brightcell.sheets import archive, download

logger = logging.getLogger("brightcell")


def main(options: dict, sheet: Path) -> None:
    """Bring the folder and the sheet of the config's `archive` about; what is there already is kept.

    A download lies beside the folder, as .zip.part until it is whole, and is removed when it is unpacked.
    """
    folder = archive.folder_of(sheet, options)
    source = options["url"] or options["file"] or options["package"]
    if options["sha256"] and archive.unpacked(folder, options["sha256"].lower(), options["members"]):
        logger.warning("%s: unpacked already", folder)
    else:
        archive.refuse_full(folder)
        path, own = obtain(options, folder)
        sha256 = (options["sha256"] or "").lower()
        number = archive.unpack(path, folder, sha256, options["members"], source)
        if own:
            path.unlink()
        logger.warning("%s: %d files", folder, number)
    if sheet.exists():
        logger.warning("%s: kept as it is; delete it to have it made anew", sheet)
        return
    try:
        make_samples.main(
            folder,
            sheet,
            options["layout"],
            pattern=options["pattern"],
            block=options["block"],
            tell=logger.warning,
        )
    except InputError as error:
        inner = [path.name for path in folder.rglob("*.zip")]
        hint = (
            f" The archive holds another, {inner[0]}: unpack it and name it as archive.file." if inner else ""
        )
        raise InputError(f"{error}{hint}") from None


def obtain(options: dict, folder: Path) -> tuple[Path, bool]:
    """Return the path of the verified archive, and whether it is a download of ours."""
    path = options["file"] and expand(options["file"])
    if options["url"]:
        path = download.local_path(options["url"])
    if path:
        if not Path(path).is_file():
            raise InputError(
                f"{path}: no such file. Download the archive in a browser, save it there, or correct `archive.file`."
            )
        download.verify(path, options["sha256"], path)
        return Path(path), False
    own = folder.with_name(f"{folder.name}.zip")
    own.parent.mkdir(parents=True, exist_ok=True)
    if own.exists():  # a run was stopped between download and unpacking
        try:
            download.verify(own, options["sha256"], str(own))
            return own, True
        except InputError:
            logger.info("%s: another file; left alone", own)
            own = folder.with_name(f"{folder.name}.download.zip")
    if options["url"]:
        download.download(options["url"], own, options["sha256"])
    else:
        download.download_package(options["package"], own, options["sha256"])
    return own, True


if __name__ == "__main__":
    with job(snakemake.log[0]):
        main(snakemake.params.archive, Path(snakemake.params.sheet))
