"""Compare U-Nets on transmitted-light microscopy of living cells, then segment with them.

The modules stand in the order in which the data pass through them; each imports only modules before it:

    shared       errors, provenance, files, jobs, images, slurm, accounting
    config       settings, containers, presence, samples
    sheets       naming, pairing, layouts, fetch, archive
    the demo     cells, optics, simulate
    reading      recording, tiff, vendor, readers, polygons, annotations, masks, shading, preprocess, intake, appearance
    recordings   unlabelled, chunks
    checking     findings, frame_checks, fit, mask_checks, repeats, suggest, checks, check_pictures
    folds        folds, roles
    networks     backend, preflight, nets, footprint, fused, steps, augment, warping, checkpoints, training, models, streamline, engines, inference, stream, ensemble
    single cells heights, basins, instances, published_watershed, measure, segmentation, ome, outlines, tracking, quality
    scores       matching, surfaces, detection, probabilities, metrics, scoring, calibration, watersheds
    comparison   resampling, significance, sentences, stats, thresholds, published, watershed_gains
    the report   looks, tables, charts, gallery, compact, views, report, preview
"""

__version__ = "0.1.0"
