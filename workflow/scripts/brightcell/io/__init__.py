"""Read image files, masks and annotations; write stacks, OME-TIFF and ROIs."""
