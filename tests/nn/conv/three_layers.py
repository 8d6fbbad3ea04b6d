"""The layers of this package beside PyG's own, which shows that a test is fair."""

import pytest
import torch
from torch_geometric.nn import GATConv

from pyg_ibmea.nn import DiagonalGATConv, VariationalIBConv

OURS = (DiagonalGATConv, VariationalIBConv)

for_each_layer = pytest.mark.parametrize(
    "layer", [*OURS, GATConv], ids=lambda layer: layer.__name__
)
for_our_layers = pytest.mark.parametrize(
    "layer", OURS, ids=lambda layer: layer.__name__
)


def conv_of(layer, *args, **options):
    """A layer in evaluation, with GATConv's default for ``concat`` and with scales and
    a bias that count.
    """
    conv = layer(*args, **{"concat": True, **options}).eval()
    if not isinstance(conv, GATConv):
        torch.nn.init.normal_(conv.scale)
    if conv.bias is not None:
        torch.nn.init.normal_(conv.bias)
    return conv


def values_of(conv, x):
    """What the nodes pass on before attention, ``[N, heads, C]``."""
    if isinstance(conv, GATConv):
        lin = conv.lin_src if conv.lin is None else conv.lin
        return lin(x).unflatten(-1, (conv.heads, -1))
    return conv.lins_src[0](x).unsqueeze(1) * conv.scale[0]
