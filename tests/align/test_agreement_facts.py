"""The facts that a neighbourhood agreement is made of."""

import torch
from brute_agreement import both_ways, brute_agreement, brute_relations
from hypothesis import given, settings
from hypothesis import strategies as st
from test_agreement import problem

from pyg_ibmea.align import neighborhood_agreement
from pyg_ibmea.align._agreement_facts import AgreementFacts


@settings(max_examples=15)
@given(seed=st.integers(0, 10_000), most_shared=st.sampled_from([2, 100]))
def test_facts_add_up_to_the_agreement(seed, most_shared):
    matches, source, target = problem(seed, 7, 6, 12)
    rows, columns = torch.meshgrid(torch.arange(7), torch.arange(6), indexing="ij")
    pairs = torch.stack([rows.flatten(), columns.flatten()])
    told = AgreementFacts(matches.to_sparse(), source, target, most_shared)
    facts = told.of_pairs(pairs)
    sums = torch.zeros(42, dtype=torch.double).index_add_(0, facts.pair, facts.value)
    brute = brute_agreement(matches, source, target, most_shared)
    torch.testing.assert_close(sums.view(7, 6), brute)
    found = neighborhood_agreement(matches.to_sparse(), source, target, most_shared)
    torch.testing.assert_close(sums.view(7, 6).float(), found.to_dense().float())


def test_each_fact_is_an_edge_of_both_sides_and_has_its_own_share():
    matches, source, target = problem(3, 8, 8, 14)
    relations = brute_relations(matches, source, target)
    said = [set(both_ways(edges)) for edges in (source, target)]
    count = [int(edges[1].max()) + 1 for edges in (source, target)]
    pairs = torch.tensor([[i for i in range(8) for _ in range(8)], [*range(8)] * 8])
    facts = AgreementFacts(matches.to_sparse(), source, target).of_pairs(pairs)
    assert facts.pair.numel() > 10
    seen = set()
    for k, r, n, q, m, probability, value in zip(
        *(part.tolist() for part in facts), strict=True
    ):
        i, j = pairs[:, k].tolist()
        r = r if r < count[0] else ("back", r - count[0])
        q = q if q < count[1] else ("back", q - count[1])
        assert (i, r, n) in said[0]
        assert (j, q, m) in said[1]
        assert abs(probability - float(matches[n, m])) < 1e-6
        weights = []
        for side, entity, fact in ((0, i, (r, n)), (1, j, (q, m))):
            shared = [
                len({e for e, *c in said[side] if tuple(c) == own})
                for own in {(b, c) for e, b, c in said[side] if e == entity}
            ]
            mine = len({e for e, *c in said[side] if tuple(c) == fact})
            weights.append(mine**-0.5 / sum(x**-0.5 for x in shared))
        alike = float(matches[n, m]) * relations[r, q]
        share = alike * (weights[0] * weights[1]) ** 0.5
        assert abs(value - share) < 1e-6
        seen.add((k, r, n, q, m))
    assert len(seen) == facts.pair.numel()


def test_pairs_that_are_not_alike_have_no_facts():
    edges = torch.tensor([[0, 1], [1, 2]]), torch.tensor([0, 1])
    known = torch.tensor([[1.0, 0, 0], [0, 1, 0], [0, 0, 0]]).to_sparse()
    facts = AgreementFacts(known, edges, edges).of_pairs(torch.tensor([[2, 0], [0, 2]]))
    assert all(part.numel() == 0 for part in facts)
