import itertools

import networkx
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from pyg_ibmea.data.joint_links import close_links, split_jointly

PAIRS = (("a", "b"), ("c", "b"), ("c", "d"))


@st.composite
def _links(draw):
    ends = st.tuples(st.integers(0, 6), st.integers(0, 6))
    return {
        pair: torch.tensor(draw(st.lists(ends, max_size=6, unique=True)))
        .long()
        .view(-1, 2)
        .t()
        for pair in PAIRS
    }


def as_graph(links):
    graph = networkx.Graph()
    for (a, b), edges in links.items():
        graph.add_edges_from(((a, i), (b, j)) for i, j in edges.t().tolist())
    return graph


@given(_links())
def test_closure_against_components(links):
    closed = close_links(links)
    wanted = {pair: [tuple(e) for e in ids.t().tolist()] for pair, ids in links.items()}
    for component in networkx.connected_components(as_graph(links)):
        names = [name for name, _ in component]
        if len(set(names)) < len(names):
            continue
        for one, two in itertools.permutations(component, 2):
            pair, ends = (one[0], two[0]), (one[1], two[1])
            asked = pair in links or (pair[::-1] not in links and pair in closed)
            if asked and ends not in wanted.setdefault(pair, []):
                wanted[pair].append(ends)
    assert closed.keys() == {p for p, ids in wanted.items() if ids} | links.keys()
    for pair, ids in closed.items():
        found = [tuple(e) for e in ids.t().tolist()]
        assert sorted(found) == sorted(wanted[pair])
        if pair in links:
            assert ids[:, : links[pair].size(1)].equal(links[pair])
        else:
            assert pair[::-1] not in closed


@given(st.integers(0, 5))
def test_no_part_gives_another_away(seed):
    generator = torch.Generator().manual_seed(seed)
    links = {
        pair: torch.stack([torch.randperm(60, generator=generator)[:40] for _ in "ab"])
        for pair in PAIRS
    }
    split = split_jointly(links, 0.4, seed, 0.25)
    part = {}
    for pair, masks in split.items():
        assert torch.stack(masks).sum(0).eq(1).all()  # Each link in one part.
        for number, mask in enumerate(masks):
            for i, j in links[pair][:, mask].t().tolist():
                for node in ((pair[0], i), (pair[1], j)):
                    assert part.setdefault(node, number) == number
    components = list(networkx.connected_components(as_graph(links)))
    counts = [sum(part[min(c)] == number for c in components) for number in range(3)]
    assert counts[0] + counts[1] == round(0.4 * len(components))
    assert counts[1] == round(0.25 * round(0.4 * len(components)))


def test_one_pair_is_split_as_ever():
    from pyg_ibmea.data import split_links

    links = torch.arange(30).repeat(2, 1)
    joint = split_jointly({("a", "b"): links}, 0.5, 3)["a", "b"]
    for mine, other in zip(joint, split_links(links, 0.5, 3), strict=True):
        assert mine.equal(other)


def test_bad_ratio():
    links = torch.arange(30).repeat(2, 1)
    with pytest.raises(ValueError, match=r"ratio must lie in \(0, 1\]"):
        split_jointly(dict.fromkeys(PAIRS, links), 1.5)
