"""Pairs that training adds to the seed pairs because the model is sure of them."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


class PseudoSeeds:
    """Adopts pairs that are proposed again and again, and drops those that are not.

    Each call of :meth:`update` hands over a set of proposals in which no entity occurs
    twice, such as mutual nearest neighbours. Adopted are the pairs in more than half
    of the last ``window`` sets (and in at least two, if ``window`` is more than one).
    So no two adopted pairs share an entity, and a pair that stops being confirmed
    falls out.

    Nothing here knows which proposals are right: no test pair is looked at.

    Args:
        window (int, optional): Number of proposals that are remembered.
            (default: :obj:`3`)

    Example:
        >>> pseudo = PseudoSeeds(window=3)
        >>> once = torch.tensor([[0, 1], [5, 6]])
        >>> pseudo.update(once).shape
        torch.Size([2, 0])
        >>> pseudo.update(torch.tensor([[0, 2], [5, 6]]))  # (1, 6) is now disputed.
        tensor([[0],
                [5]])
    """

    def __init__(self, window: int = 3):
        if window < 1:
            raise ValueError(f"window must be at least 1, got {window}")
        self.window = window
        self.proposals: list[Tensor] = []

    @property
    def pairs(self) -> Tensor:
        """The adopted pairs, long ``[2, L]``, ascending."""
        if not self.proposals:
            return torch.empty(2, 0, dtype=torch.long)
        every = torch.cat(self.proposals, dim=1)
        pairs, count = torch.unique(every, dim=1, return_counts=True)
        needed = max(self.window // 2 + 1, min(2, self.window))
        adopted: Tensor = pairs[:, count >= needed]
        return adopted

    def update(self, proposal: Tensor) -> Tensor:
        """Takes the next set of proposals.

        Args:
            proposal (torch.Tensor): Pairs of source and target entities, long
                ``[2, L]``.

        Returns:
            torch.Tensor: The pairs that are adopted now.

        Raises:
            ValueError: If an entity occurs in two pairs.
        """
        proposal = proposal.cpu()
        if proposal.dim() != 2 or proposal.size(0) != 2:
            raise ValueError(
                f"a proposal must be long [2, L], got {list(proposal.shape)}"
            )
        for side, entities in zip(("source", "target"), proposal, strict=True):
            found, count = entities.unique(return_counts=True)
            if (count > 1).any():
                entity = int(found[count > 1][0])
                raise ValueError(
                    f"{side} entity {entity} is in two pairs of the proposal; propose "
                    "one to one, for example by mutual_nearest"
                )
        self.proposals = [*self.proposals, proposal][-self.window :]
        return self.pairs

    def begin(self, pairs: Tensor) -> None:
        """Adopts pairs at once, as if they had always been proposed.

        Args:
            pairs (torch.Tensor): Pairs of source and target entities, long ``[2, L]``.

        Raises:
            ValueError: If an entity occurs in two pairs.
        """
        for _ in range(self.window):
            self.update(pairs)

    def state_dict(self) -> dict[str, Any]:
        """What :meth:`load_state_dict` needs."""
        return {"proposals": list(self.proposals)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restores what :meth:`state_dict` gave."""
        self.proposals = list(state["proposals"])

    def __repr__(self) -> str:
        return f"PseudoSeeds({self.pairs.size(1)} pairs, window={self.window})"
