import pytest
import torch
from brute_agreement import brute_agreement, brute_relations
from hypothesis import given, settings
from hypothesis import strategies as st

from pyg_ibmea.align import (
    Sinkhorn,
    match_probabilities,
    neighborhood_agreement,
    sinkhorn,
)
from pyg_ibmea.align.agreement import relation_agreement


def problem(seed, num_source, num_target, num_edges):
    generator = torch.Generator().manual_seed(seed)

    def edges(size):
        index = torch.randint(size, (2, num_edges), generator=generator)
        return index, torch.randint(3, (num_edges,), generator=generator)

    matches = torch.rand(
        num_source, num_target, dtype=torch.double, generator=generator
    )
    matches *= torch.rand(num_source, num_target, generator=generator) < 0.5
    return matches, edges(num_source), edges(num_target)


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 9999),
    num_source=st.integers(1, 6),
    num_target=st.integers(1, 6),
    num_edges=st.integers(0, 12),
    most_shared=st.integers(1, 4),
    threshold=st.sampled_from([0.2, 0.5, 0.9]),
)
def test_by_brute_force(
    seed, num_source, num_target, num_edges, most_shared, threshold
):
    matches, source, target = problem(seed, num_source, num_target, num_edges)
    found = neighborhood_agreement(matches.to_sparse(), source, target, most_shared)
    expected = brute_agreement(matches, source, target, most_shared)
    torch.testing.assert_close(found.to_dense(), expected)

    relations = relation_agreement(
        matches.to_sparse(), source, target, threshold
    ).to_dense()
    sizes = [int(types.max()) + 1 if num_edges else 0 for _, types in (source, target)]
    assert list(relations.shape) == [2 * size for size in sizes]
    expected = torch.zeros_like(relations)

    def number(relation, size):
        return relation if isinstance(relation, int) else size + relation[1]

    for (r, q), value in brute_relations(matches, source, target, threshold).items():
        expected[number(r, sizes[0]), number(q, sizes[1])] = value
    torch.testing.assert_close(relations, expected)


def test_the_same_graph_agrees_with_itself():
    generator = torch.Generator().manual_seed(0)
    edges = torch.randint(80, (2, 400), generator=generator), torch.arange(400) % 2
    found = neighborhood_agreement(torch.eye(80).to_sparse(), edges, edges).to_dense()
    assert found.argmax(1).tolist() == list(range(80))
    assert (found.diagonal() > 0.9).all()  # 1, but for the 1 that is added to counts.
    assert (found <= 1 + 1e-6).all()
    assert found.dtype == torch.float32


def test_what_most_entities_share_is_left_out():
    # All point to entity 0; 1 and 2 also to one another.
    edges = torch.tensor([[1, 2, 3, 4, 1], [0, 0, 0, 0, 2]]), torch.zeros(5).long()
    known = torch.eye(5).to_sparse()
    wide, narrow = (
        neighborhood_agreement(known, edges, edges, most).to_dense() for most in (4, 3)
    )
    assert wide[3, 4] > 0.5
    assert narrow[3].eq(0).all()
    assert narrow[1, 1] > 0.5


@pytest.mark.parametrize("num_target", [7, 12])
def test_probable_pairs_are_those_of_the_whole_plan(num_target):
    generator = torch.Generator().manual_seed(0)
    sides = [torch.randn(n, 3, generator=generator) for n in (7, num_target)]
    f, g, *_ = sinkhorn(*sides, temperature=0.2)
    unit = [torch.nn.functional.normalize(side) for side in sides]
    plan = ((unit[0] @ unit[1].t() + f[:, None] + g) / 0.2).exp()
    found = match_probabilities(*sides, 0.15, Sinkhorn(0.2), block_size=3).to_dense()
    torch.testing.assert_close(found, torch.where(plan >= 0.15, plan, 0.0))
    assert 0 < (found > 0).sum() < found.numel()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"matches": torch.eye(3)}, r"a sparse matrix \[N, M\], got torch.strided"),
        ({"edge_index": torch.tensor([[0], [3]])}, "names entity 3, but matches has 3"),
        ({"edge_index": torch.tensor([[-1], [0]])}, "names entity -1"),
        ({"edge_index": torch.zeros(1, 3).long()}, r"must be \[2, E\], got \[1, 3\]"),
        ({"edge_type": torch.zeros(2).long()}, r"has 1 edges and edge_type \[2\]"),
        (
            {"edge_type": torch.tensor([-1])},
            "edge_type of the source graph must be non-negative",
        ),
        ({"most_shared": 0}, "most_shared must be at least 1"),
    ],
)
def test_bad_input(change, message):
    given = {
        "matches": torch.eye(3).to_sparse(),
        "edge_index": torch.tensor([[0], [1]]),
        "edge_type": torch.tensor([0]),
        "most_shared": 5,
        **change,
    }
    good = torch.tensor([[0], [1]]), torch.tensor([0])
    bad = given["edge_index"], given["edge_type"]
    with pytest.raises(ValueError, match=message):
        neighborhood_agreement(given["matches"], bad, good, given["most_shared"])
    with pytest.raises(ValueError, match="least must be in"):
        match_probabilities(torch.eye(2), torch.eye(2), least=0.0)
