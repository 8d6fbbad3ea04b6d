"""The latents of one forward, modality by modality."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from pyg_ibmea.nn._stacks import stack, stacks, unstack
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
        self._stacks: list[tuple[list[str], Tensor]] = []
        self.masks: dict[str, Tensor] = {}
        self.posteriors: dict[str, GaussianPosterior] = {}
        self.kl: dict[str, Tensor] = {}

    def add(
        self,
        latents: Mapping[str, Tensor],
        posteriors: Mapping[str, GaussianPosterior],
        masks: Mapping[str, Tensor],
    ) -> None:
        """Adds some modalities.

        Args:
            latents (dict): ``[n, C_m]`` by modality.
            posteriors (dict): ``[n, C_m]`` by modality; not all need have one.
            masks (dict): Bool ``[n]`` by modality, which entities have it.

        Raises:
            ValueError: If there are not as many latents as entities.
        """
        for modality, latent in latents.items():
            size = masks[modality].numel()
            if latent.dim() != 2 or latent.size(0) != size:
                raise ValueError(
                    f"the encoder of {modality!r} must return latents [{size}, C], got "
                    f"{list(latent.shape)}"
                )
        self.masks.update(masks)
        self.posteriors.update(posteriors)
        for group in stacks(latents):
            absent = ~stack([masks[modality] for modality in group])
            latent = stack([latents[modality] for modality in group])
            kept = latent.masked_fill(absent[..., None], 0.0)
            self.latents.update(zip(group, unstack(kept, len(group)), strict=True))
            self._stacks.append((group, kept))
        for group in stacks({m: posterior.mean for m, posterior in posteriors.items()}):
            posterior = GaussianPosterior.stacked([posteriors[m] for m in group])
            present = stack([masks[modality] for modality in group])
            kl = _mean_over(posterior.kl(), present)
            self.kl.update(zip(group, unstack(kl, len(group)), strict=True))

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

        def by_graph(rows: Tensor, dim: int = 0) -> dict[str, Tensor]:
            return dict(zip(sizes, rows.split(list(sizes.values()), dim), strict=True))

        latents: dict[str, dict[str, Tensor]] = {m: {} for m in weights}
        for group, kept in self._stacks:
            for kg, rows in by_graph(kept, -2).items():
                for modality, part in zip(
                    group, unstack(rows, len(group)), strict=True
                ):
                    latents[modality][kg] = part
        return IBMEAOutput(
            z=by_graph(z),
            latents=latents,
            masks={m: by_graph(self.masks[m]) for m in weights},
            kl={m: self.kl[m] for m in weights if m in self.kl},
            posteriors=self.posteriors,
            weights=weights,
        )


def _mean_over(values: Tensor, mask: Tensor) -> Tensor:
    """The means over the rows that are present; zero where there are none."""
    kept = values.masked_fill(~mask, 0.0)
    return kept.sum(dim=-1) / mask.sum(dim=-1).clamp(min=1)
