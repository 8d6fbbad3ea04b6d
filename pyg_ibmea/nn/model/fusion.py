"""Fusion of the modalities' latents into one vector per entity."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property

import torch
from torch import Tensor, nn

from pyg_ibmea.nn._sparse import unit_rows
from pyg_ibmea.nn._stacks import stack, stacks, unstack


class ModalFusion(nn.Module):
    r"""Weighted concatenation of unit vectors, IBMEA's modal-hybrid representation
    (`arXiv:2407.19302 <https://arxiv.org/abs/2407.19302>`_):

    .. math::
        \mathbf{z} = \big\Vert_m \, w_m \frac{\mathbf{z}_m}{|\mathbf{z}_m|},
        \qquad w = \mathrm{softmax}(s)

    with one learnable scalar :math:`s_m` per modality and the softmax taken over the
    modalities that the entity has.

    Args:
        modalities (iterable of str): Names, in the order of concatenation.

    Shapes:
        - **input:** by modality, latents :math:`(N, C_m)` and optional masks
          :math:`(N)`
        - **output:** :math:`(N, \sum_m C_m)`

    Example:
        >>> fusion = ModalFusion(['graph', 'image'])
        >>> latents = {'graph': torch.eye(2), 'image': torch.eye(2)}
        >>> fusion(latents, {'image': torch.tensor([True, False])}).tolist()
        [[0.5, 0.0, 0.5, 0.0], [0.0, 1.0, 0.0, 0.0]]
    """

    def __init__(self, modalities: Iterable[str]):
        super().__init__()
        self.modalities = list(modalities)
        if not self.modalities:
            raise ValueError("a fusion needs at least one modality")
        self.score = nn.Parameter(torch.empty(len(self.modalities)))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Resets the weights: all modalities weigh the same."""
        nn.init.zeros_(self.score)

    def weights(self) -> Mapping[str, float]:
        """The weight of each modality, as it is now, for an entity that has all of
        them. It is fetched from the device when it is first looked at.
        """
        return _Weights(self.modalities, self.score.detach().softmax(dim=0))

    def forward(
        self, latents: Mapping[str, Tensor], mask: Mapping[str, Tensor] | None = None
    ) -> Tensor:
        """Fuses one latent per modality.

        Args:
            latents (dict): ``[N, C_m]`` by modality, for each of the modalities.
            mask (dict, optional): bool ``[N]`` by modality, :obj:`False` where the
                entity lacks it; a modality without a mask is present everywhere.

        Returns:
            torch.Tensor: ``[N, C]``; zero for an entity without any modality.
        """
        present = torch.stack(_masks(latents, mask or {}, self.modalities), dim=1)
        # Without any modality there is no softmax: the entity gets the zero vector.
        odds = (self.score - self.score.max().detach()).exp() * present
        weight = odds / odds.sum(dim=1, keepdim=True).clamp(min=1e-12)
        shares = dict(zip(self.modalities, weight.unbind(1), strict=True))
        parts: dict[str, Tensor] = {}
        for group in stacks({modality: latents[modality] for modality in shares}):
            share = stack([shares[modality] for modality in group])
            units = unit_rows(stack([latents[modality] for modality in group]))
            weighted = unstack(share[..., None] * units, len(group))
            parts.update(zip(group, weighted, strict=True))
        return torch.cat([parts[modality] for modality in shares], dim=1)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.modalities})"


def _masks(
    latents: Mapping[str, Tensor], mask: Mapping[str, Tensor], modalities: Sequence[str]
) -> list[Tensor]:
    """Which rows each modality has, bool ``[N]``."""
    size = latents[modalities[0]].shape[:1]
    return [
        mask[m] if m in mask else latents[m].new_ones(size, dtype=torch.bool)
        for m in modalities
    ]


class _Weights(Mapping[str, float]):
    """Weights by modality that stay where they are until one is looked at."""

    def __init__(self, modalities: Sequence[str], values: Tensor):
        self.modalities = tuple(modalities)
        self._values = values

    @cached_property
    def _by_modality(self) -> dict[str, float]:
        return dict(zip(self.modalities, self._values.tolist(), strict=True))

    def __getitem__(self, modality: str) -> float:
        return self._by_modality[modality]

    def __iter__(self) -> Iterator[str]:
        return iter(self.modalities)

    def __len__(self) -> int:
        return len(self.modalities)

    def __repr__(self) -> str:
        return repr(self._by_modality)
