"""Tables, plots and pages of a run folder; its matches in other forms."""

from pyg_ibmea.report.curves import plot_curves
from pyg_ibmea.report.matches import (
    FORMATS,
    Match,
    as_iri,
    judge_matches,
    read_matches,
    select_matches,
    write_matches,
)
from pyg_ibmea.report.page import write_page
from pyg_ibmea.report.table import (
    clusters_table,
    confidence_table,
    metrics_table,
    vectors_line,
)

__all__ = [
    "FORMATS",
    "Match",
    "as_iri",
    "clusters_table",
    "confidence_table",
    "judge_matches",
    "metrics_table",
    "plot_curves",
    "read_matches",
    "select_matches",
    "vectors_line",
    "write_matches",
    "write_page",
]
