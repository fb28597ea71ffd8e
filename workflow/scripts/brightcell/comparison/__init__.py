"""Compare networks: means, paired differences, intervals, tests, and the sentences that say so."""
