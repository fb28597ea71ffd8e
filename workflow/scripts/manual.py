"""Write config/README.md, the manual, from the schemas; with --check only tell whether it is up to date."""

import sys
from pathlib import Path

from brightcell.config.manual import manual
from brightcell.config.validation import CONFIG_SCHEMA, SAMPLES_SCHEMA, load_schema
from brightcell.files import whole

MANUAL = Path(__file__).resolve().parents[2] / "config" / "README.md"


def main(check: bool = False, path: Path = MANUAL) -> int:
    """Write the manual, or compare it with the file; return the exit code."""
    text = manual(load_schema(CONFIG_SCHEMA), load_schema(SAMPLES_SCHEMA))
    if not check:
        with whole(path) as temporary:
            temporary.write_text(text, encoding="utf-8")
    elif not path.is_file() or path.read_text(encoding="utf-8") != text:
        print(f"{path} differs from the schemas: run `python workflow/scripts/manual.py`", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(check="--check" in sys.argv[1:]))
