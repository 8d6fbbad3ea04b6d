"""Several processes find the candidates that one finds."""

from itertools import chain
from pathlib import Path

import joint_searches
import pytest
import torch
from started_processes import Forked

from pyg_ibmea.align import find_candidates
from pyg_ibmea.train import encode_entities
from pyg_ibmea.train._divided_search import shares_of

SCRIPT = Path(__file__).parent / "joint_searches.py"
EXACT = [("exact", name) for name in joint_searches.SIZES]
NEAR = [("hnsw", "even"), ("hnsw", "uneven"), ("ivf", "even"), ("ivf", "uneven")]


@pytest.fixture(scope="module", params=[2, 3])
def found(request, tmp_path_factory):
    """What two processes and three find."""
    folder = tmp_path_factory.mktemp("searches")
    codes, told = Forked(request.param, (SCRIPT, folder / "found.pt"), folder).end(200)
    assert codes == [0] * request.param, told
    return torch.load(folder / "found.pt")


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["queries", "shards"])
@pytest.mark.parametrize(("search", "name"), EXACT)
def test_an_exact_search_finds_the_same(kind, search, name, found):
    one = found[kind][name, search]
    expected = find_candidates(
        *joint_searches.sides(joint_searches.SIZES[name]), joint_searches.NEAREST
    )
    assert one["pairs"].equal(expected.pairs)
    assert one["pairs"].dtype == expected.pairs.dtype
    assert (one["backend"], one["k"]) == ("exact", joint_searches.NEAREST)
    torch.testing.assert_close(one["cosine"], expected.cosine, rtol=0, atol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize(("search", "name"), NEAR)
def test_shares_of_the_queries_change_nothing(search, name, found):
    """Every process makes the index that one makes."""
    one = found["queries"][name, search]
    z = joint_searches.sides(joint_searches.SIZES[name])
    expected = find_candidates(*z, joint_searches.NEAREST, search)
    assert one["pairs"].equal(expected.pairs)
    torch.testing.assert_close(one["cosine"], expected.cosine, rtol=0, atol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize(("search", "name"), NEAR)
def test_shards_lose_hardly_a_pair(search, name, found):
    one = found["shards"][name, search]
    z = joint_searches.sides(joint_searches.SIZES[name])
    expected = find_candidates(*z, joint_searches.NEAREST)
    known = set(zip(*expected.pairs.tolist(), strict=True))
    pairs = set(zip(*one["pairs"].tolist(), strict=True))
    assert len(known & pairs) >= 0.95 * len(known)
    unit = [side / side.norm(dim=1, keepdim=True) for side in z]
    cosine = (unit[0] @ unit[1].t())[tuple(one["pairs"].long())]
    torch.testing.assert_close(one["cosine"], cosine, rtol=0, atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["by the first", "by all"])
def test_vectors_are_those_of_one_process(kind, found, monkeypatch):
    model, data = joint_searches.problem()
    monkeypatch.setattr(joint_searches.evaluation, "LARGE", 100)
    expected = encode_entities(
        model, data, joint_searches.entities(), model.graph_of(data)
    )
    for kg, z in expected.items():
        torch.testing.assert_close(found[kind][kg], z, rtol=0, atol=1e-6)


@pytest.mark.parametrize("count", [1, 2, 3, 5, 20])
@pytest.mark.parametrize("size", [(4, 4), (1, 30), (9, 2)])
@pytest.mark.parametrize("by_shards", [False, True])
def test_every_pair_is_compared_once(count, size, by_shards):
    shares = shares_of(size, count, by_shards)
    assert len(shares) == count
    for backwards in (False, True):
        sides = [list(range(n)) for n in (size[::-1] if backwards else size)]
        seen = [
            [(i, j) for i in sides[0][one.queries] for j in sides[1][one.shard]]
            for one in (pair[backwards] for pair in shares)
        ]
        assert sorted(chain(*seen)) == [(i, j) for i in sides[0] for j in sides[1]]


@pytest.mark.parametrize("count", [2, 3, 4])
def test_work_is_divided_evenly(count):
    shares = shares_of((100, 140), count, by_shards=False)
    rows = [
        sum(one.queries.stop - one.queries.start for one in pair) for pair in shares
    ]
    assert rows == [240 // count] * count
    if count % 2 == 0:
        # Of sides as long as each other, nobody makes an index of both.
        shares = shares_of((100, 100), count, by_shards=False)
        assert all(any(one.is_empty for one in pair) for pair in shares)
