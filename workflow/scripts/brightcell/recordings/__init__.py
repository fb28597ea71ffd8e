"""Segment recordings without masks: chunks, ensemble, tracks, quality."""
