import copy

import pytest
import torch
from torch_geometric.data import HeteroData

from pyg_ibmea.datasets.synthetic import SyntheticMMKG

SAME_AS = ("source", "same_as", "target")
CLEAN = {"edge_noise": 0.0, "attribute_noise": 0.0, "feature_noise": 0.0, "missing": 0}


def _problem(**knobs):
    return SyntheticMMKG(**{"num_entities": 200, **knobs})[0]


def _triples(data, name):
    edges = data[name, "rel", name]
    head, tail = edges.edge_index.tolist()
    return list(zip(head, edges.edge_type.tolist(), tail, strict=True))


def _dense(data, name, modality):
    x = data[name][f"x_{modality}"]
    return x.to_dense() if x.is_sparse else x


def _same(a, b):
    return torch.equal(a.to_dense(), b.to_dense())


def test_without_noise_the_graphs_are_isomorphic_under_the_links():
    data = _problem(overlap=1.0, **CLEAN)
    source, target = data[SAME_AS].edge_index
    assert source.tolist() == list(range(200))
    assert sorted(target.tolist()) == list(range(200))
    assert target.tolist() != list(range(200))  # Node ids do not tell.
    renamed = {
        (int(target[h]), r, int(target[t])) for h, r, t in _triples(data, "source")
    }
    assert renamed == set(_triples(data, "target"))
    assert len(renamed) > 700
    for modality in ("relation", "attribute", "image", "name"):
        x_source, x_target = (_dense(data, n, modality) for n in ("source", "target"))
        assert torch.equal(x_source[source], x_target[target])
        assert x_source.abs().sum() > 0


def test_entities_without_counterpart_are_known_and_split():
    data = _problem(overlap=0.7, dangling=True, ratio=0.5, val_ratio=0.2)
    links = data[SAME_AS]
    alone = set(range(200)) - set(links.edge_index[0].tolist())
    assert set(links.dangling.tolist()) == alone
    assert torch.bincount(links.dangling_part).tolist() == [24, 6, 30]
    plain = _problem(overlap=0.7, ratio=0.5, val_ratio=0.2)[SAME_AS]
    assert "dangling" not in plain
    assert plain.train_mask.equal(links.train_mask)
    moved = _problem(overlap=0.7, dangling=True, ratio=0.5, val_ratio=0.2, split_seed=1)
    assert not moved[SAME_AS].dangling_part.equal(links.dangling_part)


def test_without_noise_shared_entities_agree_at_partial_overlap():
    data = _problem(overlap=0.6, **CLEAN)
    source, target = data[SAME_AS].edge_index.tolist()
    counterpart = dict(zip(source, target, strict=True))
    shared = {
        (counterpart[h], r, counterpart[t])
        for h, r, t in _triples(data, "source")
        if h in counterpart and t in counterpart
    }
    both_linked = {
        (h, r, t)
        for h, r, t in _triples(data, "target")
        if h in set(target) and t in set(target)
    }
    assert shared == both_linked
    assert 0 < len(shared) < len(_triples(data, "source"))
    for modality in ("attribute", "image", "name"):
        x_source, x_target = (_dense(data, n, modality) for n in ("source", "target"))
        assert torch.equal(x_source[source], x_target[target])


def test_the_data_follows_the_contract():
    dataset = SyntheticMMKG(num_entities=150)
    assert len(dataset) == 1
    data = dataset[0]
    assert isinstance(data, HeteroData)
    assert data.validate()
    assert data.node_types == ["source", "target"]
    for name in data.node_types:
        store = data[name]
        assert store.num_nodes == 150
        assert len(set(data.uri[name])) == 150
        for modality, channels in (
            ("relation", 50),
            ("attribute", 200),
            ("image", 128),
            ("name", 64),
        ):
            x, mask = store[f"x_{modality}"], store[f"mask_{modality}"]
            assert x.shape == (150, channels)
            assert x.dtype == torch.float
            assert mask.dtype == torch.bool
            assert x.is_sparse == (modality in ("relation", "attribute"))
            assert not x.is_sparse or x.is_coalesced()
            # Present rows have content, missing rows are zero.
            assert torch.equal(x.to_dense().abs().sum(dim=1) > 0, mask)
        edges = data[name, "rel", name]
        assert edges.edge_index.dtype == edges.edge_type.dtype == torch.long
        triples = _triples(data, name)
        assert len(set(triples)) == len(triples)
        assert all(head != tail for head, _, tail in triples)
    links = data[SAME_AS]
    parts = torch.stack([links.train_mask, links.val_mask, links.test_mask])
    assert (parts.sum(dim=0) == 1).all()
    assert parts.sum(dim=1).tolist() == [32, 4, 84]  # 30 % of 120, 10 % of that.
    copy.deepcopy(data)


def test_the_same_seed_gives_the_same_problem_and_leaves_the_global_state():
    state = torch.get_rng_state()
    first, second, other = _problem(), _problem(), _problem(seed=1)
    assert torch.equal(state, torch.get_rng_state())
    for a, b, c in zip(first.stores, second.stores, other.stores, strict=True):
        for key, value in a.items():
            if isinstance(value, torch.Tensor):
                assert _same(value, b[key])
                is_split = key in ("train_mask", "val_mask", "test_mask")
                same_as_other = value.shape == c[key].shape and _same(value, c[key])
                assert same_as_other == is_split  # The split has its own seed.


def test_the_split_seed_moves_masks_only():
    first, second = _problem(), _problem(split_seed=1)
    for a, b in zip(first.stores, second.stores, strict=True):
        for key, value in a.items():
            if isinstance(value, torch.Tensor):
                is_split = key in ("train_mask", "val_mask", "test_mask")
                assert _same(value, b[key]) != is_split


@pytest.mark.parametrize(
    ("knob", "value", "moved"),
    [
        ("edge_noise", 0.5, {"edge_index", "edge_type", "x_relation"}),
        ("attribute_noise", 0.6, {"x_attribute"}),
        ("feature_noise", 3.0, {"x_image", "x_name"}),
        ("missing", {"image": 0.5}, {"x_image", "mask_image"}),
        ("noise_modalities", ("name",), {"x_name"}),
    ],
)
def test_a_knob_moves_what_it_names_and_nothing_else(knob, value, moved):
    before = _problem(missing={"image": 0.1})
    after = _problem(**{"missing": {"image": 0.1}, knob: value})
    changed = {
        key
        for a, b in zip(before.stores, after.stores, strict=True)
        for key, x in a.items()
        if isinstance(x, torch.Tensor)
        and (x.shape != b[key].shape or not _same(x, b[key]))
    }
    # Which nodes have triples may change with the triples.
    assert (
        moved
        <= changed
        <= moved | ({"mask_relation"} if knob == "edge_noise" else set())
    )


@pytest.mark.parametrize("overlap", [0.3, 0.55, 1.0])
def test_overlap_is_the_share_of_linked_entities(overlap):
    data = _problem(overlap=overlap)
    assert data[SAME_AS].num_edges == round(overlap * 200)
    source, target = data[SAME_AS].edge_index
    assert source.unique().numel() == target.unique().numel() == source.numel()


@pytest.mark.parametrize("avg_degree", [2.0, 8.0, 20.0])
@pytest.mark.parametrize("overlap", [0.3, 1.0])
def test_avg_degree_is_met_and_degrees_are_skewed(avg_degree, overlap):
    data = SyntheticMMKG(
        num_entities=2000, avg_degree=avg_degree, overlap=overlap, modalities=()
    )[0]
    for name in data.node_types:
        degree = data[name, "rel", name].edge_index.flatten().bincount(minlength=2000)
        assert float(degree.float().mean()) == pytest.approx(avg_degree, rel=0.08)
        # A binomial degree would stay within about 5 standard deviations.
        assert degree.max() > avg_degree + 10 * avg_degree**0.5


@pytest.mark.parametrize("edge_noise", [0.0, 0.2, 1.0])
def test_edge_noise_is_the_share_of_rewired_triples(edge_noise):
    clean, noisy = _problem(edge_noise=0.0), _problem(edge_noise=edge_noise)
    for name in clean.node_types:
        before, after = set(_triples(clean, name)), set(_triples(noisy, name))
        lost = len(before - after) / len(before)
        assert lost == pytest.approx(edge_noise, abs=0.03)
        assert len(after) == pytest.approx(len(before), rel=0.05)
        # Heads and relations stay.
        assert {t[:2] for t in after} <= {t[:2] for t in before}


def test_modalities_leave_the_others_as_they_were():
    few, whole = _problem(modalities=("name",)), _problem()
    for name in few.node_types:
        modalities = [key for key in few[name] if key.startswith(("x_", "mask_"))]
        assert sorted(modalities) == ["mask_name", "x_name"]
        assert torch.equal(few[name].x_name, whole[name].x_name)


def test_names_and_split():
    data = SyntheticMMKG(
        num_entities=100,
        overlap=1.0,
        names=("zh.wiki", "type"),
        ratio=0.5,
        val_ratio=0.2,
    )[0]
    assert data.node_types == ["zh.wiki", "type"]
    assert data.uri["type"][3] == "http://type.example/entity/3"
    links = data["zh.wiki", "same_as", "type"]
    masks = (links.train_mask, links.val_mask, links.test_mask)
    assert [int(mask.sum()) for mask in masks] == [40, 10, 50]


def test_a_transform_sees_the_data_at_access():
    dataset = SyntheticMMKG(num_entities=50, transform=lambda data: data.node_types)
    assert dataset[0] == ["source", "target"]
