"""Pairs that training adds to the seed pairs because the model is sure of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from pyg_ibmea.align import cluster_matches
from pyg_ibmea.problem import Pair


class PseudoSeeds:
    """Adopts pairs that are proposed again and again, and drops those that are not.

    Each call of :meth:`update` hands over a set of proposals in which no entity occurs
    twice, such as mutual nearest neighbours. The pairs in more than half of the last
    ``window`` sets (and in at least two, if ``window`` is more than one) are adopted.
    So no two adopted pairs share an entity, and a pair that is no longer confirmed is
    dropped.

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
        return self.votes()[0]

    def votes(self) -> tuple[Tensor, Tensor]:
        """The adopted pairs, long ``[2, L]``, ascending, and how many of the remembered
        proposals each is in, long ``[L]``.
        """
        if not self.proposals:
            return torch.empty(2, 0, dtype=torch.long), torch.empty(0, dtype=torch.long)
        every = torch.cat(self.proposals, dim=1)
        pairs, count = torch.unique(every, dim=1, return_counts=True)
        adopted = count >= max(self.window // 2 + 1, min(2, self.window))
        return pairs[:, adopted], count[adopted]

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
        """Restores what :meth:`state_dict` returned."""
        self.proposals = list(state["proposals"])

    def __repr__(self) -> str:
        return f"PseudoSeeds({self.pairs.size(1)} pairs, window={self.window})"


class JointPseudoSeeds:
    """The pseudo-seeds of every pair of graphs of a problem.

    With three or more graphs, pairs may contradict each other: a is b, b is c, but c is
    another entity of a's graph. Of such pairs, those with more votes stay (see
    :func:`~pyg_ibmea.align.cluster_matches`); none contradicts the known pairs.

    Args:
        window (int, optional): See :class:`PseudoSeeds`. (default: :obj:`3`)

    Example:
        >>> pseudo = JointPseudoSeeds(window=1)
        >>> proposals = {("a", "b"): torch.tensor([[0], [5]])}
        >>> pseudo.update(proposals, known={})[("a", "b")].tolist()
        [[0], [5]]
    """

    def __init__(self, window: int = 3):
        self.window = window
        self.by_pair: dict[Pair, PseudoSeeds] = {}
        self.pairs: dict[Pair, Tensor] = {}

    def of(self, pair: Pair) -> Tensor:
        """The adopted pairs of two graphs, long ``[2, L]``."""
        return self.pairs.get(pair, torch.empty(2, 0, dtype=torch.long))

    def update(
        self, proposals: Mapping[Pair, Tensor], known: Mapping[Pair, Tensor]
    ) -> dict[Pair, Tensor]:
        """Takes the next proposals.

        Args:
            proposals (dict): By pair of graphs, long ``[2, L]``.
            known (dict): By pair of graphs, the seed pairs.

        Returns:
            dict: The pairs that are adopted now.

        Raises:
            ValueError: If an entity occurs in two proposed pairs of two graphs.
        """
        for pair, proposal in proposals.items():
            voting = self.by_pair.setdefault(pair, PseudoSeeds(self.window))
            voting.update(proposal)
        voted = {pair: voting.votes() for pair, voting in self.by_pair.items()}
        self.pairs = {pair: ids for pair, (ids, _) in voted.items()}
        if len(voted) > 1:
            votes = {pair: count for pair, (_, count) in voted.items()}
            self.pairs = _consistent(self.pairs, votes, known)
        return self.pairs

    def begin(
        self, pairs: Mapping[Pair, Tensor], known: Mapping[Pair, Tensor]
    ) -> dict[Pair, Tensor]:
        """Adopts pairs at once, as if they had always been proposed.

        Arguments, result and errors are those of :meth:`update`.
        """
        for _ in range(self.window):
            self.update(pairs, known)
        return self.pairs

    def state_dict(self) -> dict[str, Any]:
        """What :meth:`load_state_dict` needs."""
        states = {pair: voting.state_dict() for pair, voting in self.by_pair.items()}
        return {"by_pair": states, "pairs": dict(self.pairs)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restores what :meth:`state_dict` returned."""
        self.pairs = dict(state["pairs"])
        self.by_pair = {}
        for pair, of_pair in state["by_pair"].items():
            self.by_pair[pair] = PseudoSeeds(self.window)
            self.by_pair[pair].load_state_dict(of_pair)

    def __repr__(self) -> str:
        count = sum(ids.size(1) for ids in self.pairs.values())
        return f"{type(self).__name__}({count} pairs, window={self.window})"


def _consistent(
    pairs: Mapping[Pair, Tensor],
    votes: Mapping[Pair, Tensor],
    known: Mapping[Pair, Tensor],
) -> dict[Pair, Tensor]:
    """The pairs that are within one cluster."""
    every = list(dict.fromkeys([*known, *pairs]))
    graphs = list(dict.fromkeys(name for pair in every for name in pair))
    none = torch.empty(2, 0, dtype=torch.long)
    ids, scores = {}, {}
    for pair in every:
        seeds = known.get(pair, none).cpu()
        ids[pair] = torch.cat([seeds, pairs.get(pair, none)], dim=1)
        sure = torch.full((seeds.size(1),), torch.inf)
        scores[pair] = torch.cat([sure, votes.get(pair, none[0]).float()])
    clusters = cluster_matches(graphs, ids, scores)
    kept = {}
    for pair, given in pairs.items():
        implied = set(map(tuple, clusters.pairs(*pair).t().tolist()))
        inside = [tuple(two) in implied for two in given.t().tolist()]
        kept[pair] = given[:, torch.tensor(inside, dtype=torch.bool)]
    return kept
