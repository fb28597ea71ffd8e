"""Compare U-Nets on transmitted-light microscopy of living cells, then segment with them.

The modules stand in the order in which the data pass through them; each imports only modules before it:

    shared       errors, provenance, files, jobs, images
    config       settings, containers, presence, samples
    sheets       naming, pairing, layouts, fetch, archive
    the demo     cells, optics, simulate
    reading      recording, tiff, vendor, readers, polygons, annotations, masks, shading, preprocess, intake
    checking     findings, frame_checks, fit, mask_checks, repeats, suggest, checks, check_pictures
    folds        folds, roles
    networks     backend, nets, augment, checkpoints, training, models, inference
    single cells instances, measure
    scores       matching, surfaces, detection, probabilities, metrics, scoring, calibration
    comparison   resampling, significance, sentences, stats, thresholds, published
    the report   looks, tables, charts, gallery, compact, views, report
"""

__version__ = "0.1.0"
