"""The latents of one forward, modality by modality."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from pyg_ibmea.nn.model.output import IBMEAOutput
from pyg_ibmea.nn.posterior import GaussianPosterior


class Latents:
    """Gathers what the encoders return for the same ``n`` entities.

    Attributes:
        latents (dict): ``[n, C_m]`` by modality; zero where it is missing.
        masks (dict): Bool ``[n]`` by modality; :obj:`False` where it is missing.
        posteriors (dict): Those of the modalities with a bottleneck.
        kl (dict): Of these, the mean KL in nats over the entities that have it.
    """

    def __init__(self) -> None:
        self.latents: dict[str, Tensor] = {}
        self.masks: dict[str, Tensor] = {}
        self.posteriors: dict[str, GaussianPosterior] = {}
        self.kl: dict[str, Tensor] = {}

    def add(
        self,
        modality: str,
        latent: Tensor,
        posterior: GaussianPosterior | None,
        present: Tensor,
    ) -> None:
        """Adds one modality.

        Args:
            modality (str): Its name.
            latent (torch.Tensor): ``[n, C]``.
            posterior (GaussianPosterior, optional): ``[n, C]``.
            present (torch.Tensor): Bool ``[n]``, which entities have the modality.

        Raises:
            ValueError: If there are not as many latents as entities.
        """
        if latent.dim() != 2 or latent.size(0) != present.numel():
            raise ValueError(
                f"the encoder of {modality!r} must return latents "
                f"[{present.numel()}, C], got {list(latent.shape)}"
            )
        self.latents[modality] = latent.masked_fill(~present[:, None], 0.0)
        self.masks[modality] = present
        if posterior is not None:
            self.posteriors[modality] = posterior
            self.kl[modality] = _mean_over(posterior.kl(), present)

    def output(
        self, sizes: Mapping[str, int], z: Tensor, weights: Mapping[str, float]
    ) -> IBMEAOutput:
        """The same by graph.

        Args:
            sizes (dict): How many of the entities are of each graph, one graph after
                the other.
            z (torch.Tensor): Fused vectors ``[n, C]``.
            weights (mapping): Fusion weight by modality, in the order of the model.
        """

        def by_graph(rows: Tensor) -> dict[str, Tensor]:
            return dict(zip(sizes, rows.split(list(sizes.values())), strict=True))

        return IBMEAOutput(
            z=by_graph(z),
            latents={m: by_graph(self.latents[m]) for m in weights},
            masks={m: by_graph(self.masks[m]) for m in weights},
            kl={m: self.kl[m] for m in weights if m in self.kl},
            posteriors=self.posteriors,
            weights=weights,
        )


def _mean_over(values: Tensor, mask: Tensor) -> Tensor:
    """The mean of the rows that are present; zero if there are none."""
    kept = values.masked_fill(~mask, 0.0)
    return kept.sum() / mask.sum().clamp(min=1)
