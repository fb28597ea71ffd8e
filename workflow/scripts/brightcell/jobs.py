"""What every rule's script does alike: logging, and error messages that a user can act on."""

import logging
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .errors import InputError

logger = logging.getLogger("brightcell")


@contextmanager
def job(log: str | Path) -> Iterator[logging.Logger]:
    """Log the block to a file and to the terminal; end the process with 1 on an error.

    An `InputError` is shown as its message alone, anything else with its traceback.
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
        yield logger
    except InputError as error:
        logger.error("ERROR %s", error)
        sys.exit(1)
    except Exception:
        logger.exception("Unexpected error; please report it with this log (%s).", log)
        sys.exit(1)
    logger.info("done in %.1f s", time.perf_counter() - start)
