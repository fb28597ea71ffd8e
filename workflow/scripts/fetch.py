"""Get the archive of images that the config names, unpack it, and make the sheet if there is none."""

import logging
from pathlib import Path

from brightcell.errors import InputError
from brightcell.jobs import job
from brightcell.sheets import archive, download, making

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
        path, own = download.obtain(options, folder)
        sha256 = (options["sha256"] or "").lower()
        number = archive.unpack(path, folder, sha256, options["members"], source)
        if own:
            path.unlink()
        logger.warning("%s: %d files", folder, number)
    if sheet.exists():
        logger.warning("%s: kept as it is; delete it to have it made again", sheet)
        return
    try:
        making.make_sheet(
            folder,
            sheet,
            options["layout"],
            pattern=options["pattern"],
            block=options["block"],
            tell=logger.warning,
        )
    except InputError as error:
        inner = [
            path.name for path in folder.rglob("*") if path.name.endswith((".zip", ".tar", ".tgz", ".tar.gz"))
        ]
        hint = (
            f" The archive holds another, {inner[0]}: unpack it and name it as archive.file." if inner else ""
        )
        raise InputError(f"{error}{hint}") from None


if __name__ == "__main__":
    with job(snakemake.log[0]):
        main(snakemake.params.archive, Path(snakemake.params.sheet))
