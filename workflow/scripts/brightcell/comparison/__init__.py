"""Compare networks: means, paired differences, intervals, tests, and the sentences that say so."""

from .differences import compare, inflation, summarise
from .sentences import verdict

__all__ = ["compare", "inflation", "summarise", "verdict"]
