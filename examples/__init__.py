"""Scripts that are read from top to bottom; the study imports parts of some."""
