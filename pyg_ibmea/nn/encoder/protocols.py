"""What an encoder of your own must offer to take the place of a built-in one."""

from __future__ import annotations

from typing import Any, Protocol

from torch import Tensor
from torch_geometric.data import HeteroData

from pyg_ibmea.nn.posterior import GaussianPosterior


class ModalityEncoder(Protocol):
    """A :class:`torch.nn.Module` that encodes the features of one modality.

    Example:
        >>> import torch
        >>> encoder: ModalityEncoder = torch.nn.Linear(8, 4)
        >>> encoder(torch.randn(3, 8)).shape
        torch.Size([3, 4])
    """

    def __call__(self, x: Tensor) -> Tensor | GaussianPosterior:
        r"""Encodes entities of any of the graphs.

        Args:
            x (torch.Tensor): Features ``[n, F]``, dense or ``torch.sparse_coo`` as in
                the data and converted to the model's type, of counts
                :math:`\log(1 + n)`. Rows of entities that lack the modality are zero;
                whatever becomes of them is masked afterwards.

        Returns:
            torch.Tensor or GaussianPosterior: Latents ``[n, C]``, with a width of your
            choice; or, behind a bottleneck, their posterior, from which the model
            samples in training and of which it reports the KL.
        """
        ...


class GraphEncoder(Protocol):
    """A :class:`torch.nn.Module` that encodes entities by the structure around them.

    :class:`GraphVIBEncoder` and :class:`RelationalVIBEncoder` are two of them.
    """

    def build_graph(self, data: HeteroData) -> Any:
        """The graph that :meth:`__call__` passes messages over, built once per problem.

        Args:
            data (HeteroData): The problem. Entities are numbered graph after graph; no
                message may pass over the ``same_as`` links.
        """
        ...

    def __call__(
        self, x: Tensor, graph: Any, nodes: Tensor | None = None
    ) -> tuple[Tensor, GaussianPosterior | None]:
        """Encodes entities.

        Args:
            x (torch.Tensor): Entity embeddings ``[N, graph_channels]``; a row of zeros
                where the entity's own embedding is withheld.
            graph (Any): What :meth:`build_graph` returned.
            nodes (torch.Tensor, optional): Long ``[n]``, the entities to return.
                (default: all)

        Returns:
            tuple: Latents ``[n, C]`` and, behind a bottleneck, their posterior.
        """
        ...
