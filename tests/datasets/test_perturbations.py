import pytest
import torch

from pyg_ibmea.datasets import (
    DensestPairs,
    HideModality,
    RewireEdges,
    SwapFeatures,
    SyntheticMMKG,
    WrongSeeds,
)
from pyg_ibmea.nn import IBMEA


@pytest.fixture
def data():
    return SyntheticMMKG(num_entities=150)[0]


def dense(x):
    return x.to_dense() if x.is_sparse else x


TRANSFORMS = [
    RewireEdges(0.5),
    SwapFeatures(0.5),
    HideModality(0.5),
    WrongSeeds(0.5),
    DensestPairs(50),
]


@pytest.mark.parametrize("transform", TRANSFORMS, ids=lambda t: type(t).__name__)
def test_leaves_the_data_it_was_given_and_the_random_state_alone(transform, data):
    torch.manual_seed(7)
    state = torch.get_rng_state()
    untouched = SyntheticMMKG(num_entities=150)[0]
    torch.set_rng_state(state)
    first, second = transform(data), transform(data)
    assert torch.equal(torch.get_rng_state(), state)
    for kg in data.node_types:
        for store in ("x_image", "x_relation"):
            assert torch.equal(dense(data[kg][store]), dense(untouched[kg][store]))
            assert torch.equal(dense(first[kg][store]), dense(second[kg][store]))
    for kind in data.edge_types:
        assert torch.equal(data[kind].edge_index, untouched[kind].edge_index)
        assert torch.equal(first[kind].edge_index, second[kind].edge_index)
    # What comes out is a problem that the model takes.
    IBMEA.from_data(first, graph_channels=8, modal_channels=4)(first)


@pytest.mark.parametrize("share", [0.0, 0.25, 1.0])
def test_rewired_share(share, data):
    damaged = RewireEdges(share)(data)
    for kg in data.node_types:
        before = data[kg, "rel", kg].edge_index
        after = damaged[kg, "rel", kg].edge_index
        assert torch.equal(before[0], after[0])
        changed = (before[1] != after[1]).float().mean()
        # A random tail is the old one once in 150 times.
        assert float(changed) == pytest.approx(share * 149 / 150, abs=0.02)
        assert after.max() < data[kg].num_nodes


@pytest.mark.parametrize("modality", ["image", "attribute"])
def test_swapped_features_are_a_permutation_of_those_present(modality, data):
    damaged = SwapFeatures(0.4, [modality])(data)
    for kg in data.node_types:
        before, after = (dense(d[kg][f"x_{modality}"]) for d in (data, damaged))
        mask = data[kg][f"mask_{modality}"]
        assert torch.equal(damaged[kg][f"mask_{modality}"], mask)
        assert torch.equal(before[~mask], after[~mask])
        assert torch.equal(before[mask].sort(0).values, after[mask].sort(0).values)
        moved = (before != after).any(1)
        if modality == "image":  # Attribute bags of two entities may be equal.
            assert int(moved.sum()) == round(0.4 * int(mask.sum()))
        other = "attribute" if modality == "image" else "image"
        assert torch.equal(
            dense(data[kg][f"x_{other}"]), dense(damaged[kg][f"x_{other}"])
        )


def test_hidden_on_one_side_only(data):
    damaged = HideModality({"target": 0.5}, ["image", "attribute"])(data)
    for modality in ("image", "attribute"):
        before = data["target"][f"mask_{modality}"]
        after = damaged["target"][f"mask_{modality}"]
        count = int(before.sum())
        assert int(after.sum()) == count - round(0.5 * count)
        assert not (after & ~before).any()
        x = dense(damaged["target"][f"x_{modality}"])
        assert not x[~after].any()
        assert torch.equal(x[after], dense(data["target"][f"x_{modality}"])[after])
        assert torch.equal(
            damaged["source"][f"mask_{modality}"], data["source"][f"mask_{modality}"]
        )
    name = damaged["target"].mask_name
    assert torch.equal(name, data["target"].mask_name)


def test_wrong_seeds_touch_training_pairs_only(data):
    damaged = WrongSeeds(0.5)(data)
    before, after = (d["source", "same_as", "target"] for d in (data, damaged))
    train = before.train_mask
    assert torch.equal(before.edge_index[:, ~train], after.edge_index[:, ~train])
    assert torch.equal(before.edge_index[0], after.edge_index[0])
    wrong = before.edge_index[1] != after.edge_index[1]
    assert int(wrong.sum()) == round(0.5 * int(train.sum()))
    assert torch.equal(before.edge_index[1].sort()[0], after.edge_index[1].sort()[0])


def test_densest_pairs(data):
    small = DensestPairs(40, ratio=0.5, split_seed=3)(data)
    links = small["source", "same_as", "target"]
    assert small["source"].num_nodes == small["target"].num_nodes == 40
    assert int(links.test_mask.sum()) == 20
    # By URIs it says what the large one says.
    large = data["source", "same_as", "target"].edge_index.t().tolist()
    known = {(data.uri["source"][i], data.uri["target"][j]) for i, j in large}
    found = {
        (small.uri["source"][i], small.uri["target"][j])
        for i, j in links.edge_index.t().tolist()
    }
    assert len(found) == 40
    assert found < known
    for kg in ("source", "target"):
        uri, old = small.uri[kg], {u: i for i, u in enumerate(data.uri[kg])}
        rows = torch.tensor([old[u] for u in uri])
        for key in ("x_image", "x_relation", "mask_image"):
            assert torch.equal(dense(small[kg][key]), dense(data[kg][key])[rows])
        big = data[kg, "rel", kg]
        every = {
            (data.uri[kg][h], int(r), data.uri[kg][t])
            for (h, t), r in zip(
                big.edge_index.t().tolist(), big.edge_type, strict=True
            )
        }
        inside = {t for t in every if t[0] in set(uri) and t[2] in set(uri)}
        edges = small[kg, "rel", kg]
        kept = {
            (uri[h], int(r), uri[t])
            for (h, t), r in zip(
                edges.edge_index.t().tolist(), edges.edge_type, strict=True
            )
        }
        assert kept == inside
    # No pair that was left out has more triples on its poorer side.
    degree = {
        kg: torch.bincount(
            data[kg, "rel", kg].edge_index.flatten(), minlength=data[kg].num_nodes
        )
        for kg in data.node_types
    }
    poorer = {
        (data.uri["source"][i], data.uri["target"][j]): int(
            min(degree["source"][i], degree["target"][j])
        )
        for i, j in large
    }
    assert min(poorer[pair] for pair in found) >= max(
        poorer[pair] for pair in known - found
    )


def test_errors(data):
    with pytest.raises(ValueError, match=r"share must lie in \[0, 1\], got 1.5"):
        RewireEdges(1.5)
    with pytest.raises(ValueError, match="no modality 'smell'"):
        SwapFeatures(0.5, ["smell"])(data)
    with pytest.raises(ValueError, match="names the graphs"):
        HideModality({"elsewhere": 0.5})(data)
    with pytest.raises(ValueError, match="num_pairs"):
        DensestPairs(1000)(data)
