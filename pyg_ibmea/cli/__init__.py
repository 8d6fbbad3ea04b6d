"""The command line: from files of knowledge graphs to an alignment to trust."""

from pyg_ibmea.cli._main import main

__all__ = ["main"]
