"""Which pairs of entities are of corresponding types, by brute force."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pyg_ibmea.data import KnowledgeGraph
from pyg_ibmea.data.hetero import set_split, to_hetero_data
from pyg_ibmea.problem import links_of
from pyg_ibmea.train._entity_names import Names
from pyg_ibmea.train._types import SameType

PAIR = ("a", "b")


def problem(seed, same_uri):
    """Entities 0 to 9, of which the last four are types, and random triples."""
    generator = torch.Generator().manual_seed(seed)

    def draw(most, *shape):
        return torch.randint(most, shape, generator=generator)

    graphs = []
    for name in PAIR:
        kinds = torch.stack([draw(6, 8), torch.ones(8).long(), 6 + draw(4, 8)], dim=1)
        others = torch.stack([draw(10, 6), torch.zeros(6).long(), draw(10, 6)], dim=1)
        uris = [f"http://{name}.org/{i}" for i in range(10)]
        if same_uri:
            uris[9] = "http://both.org/9"
        triples = torch.cat([kinds, others]).unique(dim=0)
        relations = [f"http://{name}.org/near", f"http://{name}.org/#type"]
        graphs.append(KnowledgeGraph(name, uris, relations, triples))
    links = torch.stack([torch.randperm(10, generator=generator)[:5] for _ in PAIR])
    known = torch.tensor([True, True, True, False, False])
    data = to_hetero_data(graphs, {PAIR: links}, warn=False)
    masks = known, known & False, ~known
    return set_split(data, PAIR, masks)


def brute(data, i, j):
    types = []
    for kg in PAIR:
        store = data[kg, "rel", kg]
        of = {}
        for h, t, r in zip(*store.edge_index.tolist(), store.edge_type.tolist(),
                           strict=True):  # fmt: skip
            if r == 1:
                of.setdefault(h, set()).add(t)
        types.append(of)
    known = set(map(tuple, links_of(data, "train").t().tolist()))
    every = [set().union(*of.values()) for of in types]
    match = {
        (s, t)
        for s in every[0]
        for t in every[1]
        if (s, t) in known
        or data.uri["a"][s] == data.uri["b"][t]
        or any(s in types[0].get(x, ()) and t in types[1].get(y, ()) for x, y in known)
    }
    ours = {s for s in types[0].get(i, ()) if any(m[0] == s for m in match)}
    theirs = {t for t in types[1].get(j, ()) if any(m[1] == t for m in match)}
    if not ours or not theirs:
        return True
    return any((s, t) in match for s in ours for t in theirs)


@settings(max_examples=30)
@given(seed=st.integers(0, 9999), same_uri=st.booleans())
def test_by_brute_force(seed, same_uri):
    data = problem(seed, same_uri)
    entities = [torch.tensor([0, 2, 3, 5, 9]), torch.tensor([1, 2, 3, 4, 5, 8])]
    allowed = SameType(data, "type", Names(data)).between(entities)
    expected = torch.tensor(
        [
            [brute(data, i, j) for j in entities[1].tolist()]
            for i in entities[0].tolist()
        ]
    )
    rows, columns = torch.arange(5), torch.arange(6)
    assert torch.equal(allowed(rows[:, None], columns), expected)
    pairs = rows.repeat_interleave(6), columns.repeat(5)
    assert torch.equal(allowed(*pairs), expected.flatten())
    few = allowed(rows[1:3, None], columns)
    assert torch.equal(few, expected[1:3])


def test_relations_by_their_whole_names():
    data = problem(1, False)
    entities = [torch.arange(10), torch.arange(10)]
    rows = torch.arange(10)
    by_name, by_uri = (
        SameType(data, kind, Names(data)).between(entities)(rows[:, None], rows)
        for kind in ("type", {kg: f"http://{kg}.org/#type" for kg in PAIR})
    )
    assert torch.equal(by_name, by_uri)
    assert not bool(by_name.all())
    with pytest.raises(ValueError, match="graph 'a' has no relation 'is' that could"):
        SameType(data, "is", Names(data))
    with pytest.raises(ValueError, match="leads to the types of graph 'b'"):
        SameType(data, {"a": "type"}, Names(data))
