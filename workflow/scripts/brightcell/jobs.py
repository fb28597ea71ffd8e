"""What every rule's script does alike: logging, its own packages, and error messages that a user can act on."""

import json
import logging
import os
import sys
import sysconfig
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

from . import provenance
from .errors import InputError

logger = logging.getLogger("brightcell")

# What stands before the JSON in a log's first line.
WHERE = " where "


@contextmanager
def job(log: str | Path) -> Iterator[logging.Logger]:
    """Log the block to a file and to the terminal; end the process with 1 on an error.

    The log begins with where the job runs, as JSON (`provenance.environment`). An `InputError` is shown as its
    message alone, anything else with its traceback.
    """
    Path(log).parent.mkdir(parents=True, exist_ok=True)
    handlers = [logging.FileHandler(log, mode="w", encoding="utf-8"), logging.StreamHandler(sys.stderr)]
    for handler in handlers:
        handler.setFormatter(logging.Formatter("%(asctime)s %(message)s", "%H:%M:%S"))
        logger.addHandler(handler)
    handlers[1].setLevel(logging.WARNING)  # the terminal belongs to the workflow's progress
    logger.setLevel(logging.INFO)
    start = time.perf_counter()
    try:
        logger.info(
            "%s %s", WHERE.strip(), json.dumps({"host": os.uname().nodename, **provenance.environment()})
        )
        if provenance.container():
            stay_in_the_image()
        yield logger
    except InputError as error:
        logger.error("ERROR %s", error)
        sys.exit(1)
    except ModuleNotFoundError as error:
        if not provenance.container():
            logger.exception("A package is missing: `make setup` installs what the workflow needs.")
        else:
            logger.exception("ERROR %s: the image lacks the package %s.", provenance.container(), error.name)
        sys.exit(1)
    except Exception:
        logger.exception("Unexpected error; please report it with this log (%s).", log)
        sys.exit(1)
    logger.info("done in %.1f s", time.perf_counter() - start)


def stay_in_the_image() -> None:
    """Refuse packages that a container took from the host, by InputError, and let no further one in.

    Snakemake puts the search paths of the host's Python behind those of the image, because it needs itself there: a
    package that the image lacks would silently come from the host.
    """
    foreign = {
        name: file
        for name in packages_in_use()
        if (file := getattr(sys.modules.get(name), "__file__", None)) and not _of_this_python(file)
    }
    if foreign:
        name, file = sorted(foreign.items())[0]
        raise InputError(
            f"{provenance.container()}: the image lacks the package {name}; found was {file}, of the host. Build the "
            "image from this version's package list with `make containers`, or add the package to your own image."
        )
    sys.path[:] = [folder for folder in sys.path if _of_this_python(folder)]


def packages_in_use() -> set[str]:
    """Name the top-level packages behind the names in the script and in the library modules loaded so far."""
    found = set()
    for name, module in list(sys.modules.items()):
        if name != "__main__" and name.split(".")[0] != "brightcell":
            continue
        for value in vars(module).values():
            origin = value.__name__ if isinstance(value, ModuleType) else getattr(value, "__module__", None)
            if isinstance(origin, str):
                found.add(origin.split(".")[0])
    return found - {"snakemake", "__main__", "brightcell"}


def _of_this_python(path: str) -> bool:
    """Tell whether a path belongs to the interpreter, to its packages or to the workflow."""
    script = Path(getattr(sys.modules["__main__"], "__real_file__", sys.argv[0])).parent
    own = (sys.prefix, sys.base_prefix, sysconfig.get_path("stdlib"), provenance.PACKAGE.parent, script)
    real = Path(os.path.realpath(path))
    return any(real.is_relative_to(os.path.realpath(folder)) for folder in own)
