"""Alignment without known pairs on published benchmarks: quality and CPU time."""
