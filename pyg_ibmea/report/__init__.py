"""Tables and plots of a run folder."""

from pyg_ibmea.report.curves import plot_curves
from pyg_ibmea.report.table import metrics_table

__all__ = ["metrics_table", "plot_curves"]
