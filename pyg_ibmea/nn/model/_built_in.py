"""The built-in encoders that the options describe."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pyg_ibmea.nn.encoder.graph_encoder import GraphVIBEncoder
from pyg_ibmea.nn.encoder.modal_encoder import ModalVIBEncoder
from pyg_ibmea.nn.encoder.protocols import GraphEncoder
from pyg_ibmea.nn.encoder.relational_encoder import RelationalVIBEncoder
from pyg_ibmea.options import ModelOptions


def built_in_graph_encoder(
    options: ModelOptions, num_edge_types: int, bottleneck: bool
) -> GraphEncoder:
    """The graph encoder of these options.

    Args:
        options (ModelOptions): The options.
        num_edge_types (int): Edge types of the :class:`RelationalGraph`.
        bottleneck (bool): Whether it has a bottleneck.
    """
    common: dict[str, Any] = {
        "num_layers": options.num_layers,
        "heads": options.heads,
        "dropout": options.dropout,
        "bottleneck": bottleneck,
        "init_logstd": options.init_logstd,
    }
    if options.relational:
        return RelationalVIBEncoder(options.graph_channels, num_edge_types, **common)
    return GraphVIBEncoder(
        options.graph_channels,
        separate_stacks=options.separate_stacks,
        # The union graph has its self-loops already.
        add_self_loops=False,
        **common,
    )


def built_in_modal_encoder(
    options: ModelOptions, in_channels: Mapping[str, int], bottlenecks: set[str]
) -> ModalVIBEncoder:
    """The encoder of the modalities that have none of the user's own.

    Args:
        options (ModelOptions): The options.
        in_channels (dict): Feature channels of these modalities.
        bottlenecks (set of str): The modalities with a bottleneck, others among them.
    """
    return ModalVIBEncoder(
        in_channels,
        options.modal_channels,
        bottleneck=bottlenecks & set(in_channels),
        residual=options.residual,
        dropout=options.modal_dropout,
        init_logstd=options.init_logstd,
    )
