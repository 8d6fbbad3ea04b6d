"""Multi-modal knowledge graph alignment with variational information bottlenecks."""

__version__ = "0.1.0"
