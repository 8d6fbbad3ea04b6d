"""Tables, plots and the HTML report of a run folder."""

from pyg_ibmea.report.curves import plot_curves
from pyg_ibmea.report.page import write_page
from pyg_ibmea.report.table import (
    calibration_line,
    candidates_line,
    clusters_table,
    confidence_table,
    embeddings_line,
    matches_line,
    metrics_table,
)

__all__ = [
    "calibration_line",
    "candidates_line",
    "clusters_table",
    "confidence_table",
    "embeddings_line",
    "matches_line",
    "metrics_table",
    "plot_curves",
    "write_page",
]
