"""Compare U-Nets on transmitted-light microscopy of living cells, then segment with them.

The modules stand in the order in which the data pass through them; each imports only
modules on its left:

    errors, provenance, files, jobs, images, settings, containers, samples, cells, optics, simulate,
    findings, frame_checks, fit, mask_checks, repeats, suggest, checks, check_pictures, folds, roles, backend,
    nets, augment, training, models, inference, instances, matching, surfaces, detection, probabilities, metrics, scoring,
    calibration, stats, published,
    measure, charts, report
"""

__version__ = "0.1.0"
