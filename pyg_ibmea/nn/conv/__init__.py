"""Graph layers: messages between nodes."""

from pyg_ibmea.nn.conv._backend import set_backend, use_backend
from pyg_ibmea.nn.conv._kl import collect_kl
from pyg_ibmea.nn.conv.diagonal_gat_conv import DiagonalGATConv
from pyg_ibmea.nn.conv.variational_ib_conv import VariationalIBConv

__all__ = [
    "DiagonalGATConv",
    "VariationalIBConv",
    "collect_kl",
    "set_backend",
    "use_backend",
]
