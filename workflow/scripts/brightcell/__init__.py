"""Compare U-Nets on transmitted-light microscopy of living cells, then segment with them.

A package a stage, in the order in which the data pass through them. Each imports only from what stands above it:

    errors          messages that a user can act on
    values          what a value in a file from elsewhere may be
    files           tables, JSON and temporary names: results appear whole
    provenance      digests of code, versions of packages, the machine
    trained         the files beside a trained network, checked
    jobs            logs and messages of a rule's script
    config          the config against its schema, its manual, suggested settings
    simulation      time-lapses with known cells, for the demo and the tests
    io              image files, masks and annotations in; stacks, OME-TIFF and ROIs out
    sheets          the sample sheet, made from folders, archives and names of files
    preprocessing   steps for raw data, rescaling, normalisation
    check           faults in images and masks, before anything is trained
    folds           groups shared out over folds
    contestants     whole tools and given labels, beside the networks
    compute         backends and devices, SLURM, containers
    nets            the three networks
    training        patches, loss, training loop, saved state
    inference       prediction tile by tile, with the engines that run networks
    metrics         scores of pixels, boundaries and cells
    instances       single cells: distance, watershed, calibration, measurements
    published       the study's own protocol
    comparison      differences between networks, intervals, tests, sentences
    recordings      new recordings: segmentation by an ensemble, tracks, quality
    annotation      crops to draw next, corrections taken back, what networks gain by them
    report          the pages
"""

__version__ = "0.1.0"
