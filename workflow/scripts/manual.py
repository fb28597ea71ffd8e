"""Write the pages that are made from schemas; with --check only tell whether they are up to date."""

import sys
from pathlib import Path

from brightcell.config.manual import manual
from brightcell.config.validation import CONFIG_SCHEMA, SAMPLES_SCHEMA, load_schema
from brightcell.files import whole
from brightcell.report import result_files

ROOT = Path(__file__).resolve().parents[2]


def pages() -> dict[str, str]:
    """Make the pages, by their paths in the project."""
    return {
        "config/README.md": manual(load_schema(CONFIG_SCHEMA), load_schema(SAMPLES_SCHEMA)),
        "docs/results-files.md": result_files.page(result_files.load()),
    }


def main(check: bool = False, folder: Path = ROOT) -> int:
    """Write the pages, or compare them with the files; return the exit code."""
    differing = 0
    for name, text in pages().items():
        path = folder / name
        if not check:
            with whole(path) as temporary:
                temporary.write_text(text, encoding="utf-8")
        elif not path.is_file() or path.read_text(encoding="utf-8") != text:
            print(f"{path} differs from the schemas: run `make manual`", file=sys.stderr)
            differing += 1
    return min(differing, 1)


if __name__ == "__main__":
    sys.exit(main(check="--check" in sys.argv[1:]))
