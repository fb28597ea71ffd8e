"""Compare U-Nets on transmitted-light microscopy of living cells, then segment with them.

The modules stand in the order in which the data pass through them; each imports only
modules on its left:

    errors, files, jobs, images, settings, samples, cells, optics, simulate, checks, folds, roles, backend,
    nets, augment, training, inference, instances, matching, metrics, calibration, stats, published,
    measure, charts, report, provenance
"""

__version__ = "0.1.0"
