import pytest
import torch

from pyg_ibmea.align import ranking_metrics
from pyg_ibmea.datasets.synthetic import SyntheticMMKG

SAME_AS = ("source", "same_as", "target")
CLEAN = {"edge_noise": 0.0, "attribute_noise": 0.0, "feature_noise": 0.0, "missing": 0}


def _problem(**knobs):
    return SyntheticMMKG(**{"num_entities": 200, **knobs})[0]


def _dense(data, name, modality):
    x = data[name][f"x_{modality}"]
    return x.to_dense() if x.is_sparse else x


def test_relation_bags_count_the_triples_at_either_end():
    data = _problem(missing=0.0)
    for name in data.node_types:
        counts = torch.zeros(200, 50)
        edges = data[name, "rel", name]
        for (head, tail), relation in zip(
            edges.edge_index.t().tolist(), edges.edge_type.tolist(), strict=True
        ):
            counts[head, relation] += 1
            counts[tail, relation] += 1
        assert torch.equal(_dense(data, name, "relation"), counts)


def test_attribute_bags_hold_presence():
    for noise_modalities in ((), ("attribute",)):
        data = _problem(noise_modalities=noise_modalities)
        for name in data.node_types:
            assert _dense(data, name, "attribute").unique().tolist() == [0.0, 1.0]


@pytest.mark.parametrize("attribute_noise", [0.0, 0.25, 1.0])
def test_attribute_noise_is_the_share_of_swapped_attributes(attribute_noise):
    options = {"num_entities": 1000, "missing": 0.0, "modalities": ("attribute",)}
    clean = SyntheticMMKG(attribute_noise=0.0, **options)[0]
    noisy = SyntheticMMKG(attribute_noise=attribute_noise, **options)[0]
    for name in clean.node_types:
        before, after = (_dense(data, name, "attribute") for data in (clean, noisy))
        assert 4 < float(before.sum(dim=1).mean()) <= 5  # Repeated draws merge.
        lost = float(((before == 1) & (after == 0)).sum() / before.sum())
        # A few swaps restore an attribute that another swap has taken.
        assert lost == pytest.approx(attribute_noise, abs=0.06)


@pytest.mark.parametrize("feature_noise", [0.0, 0.5, 2.0])
def test_feature_noise_is_relative_to_the_signal_and_independent_by_side(feature_noise):
    options = {
        "num_entities": 1000,
        "overlap": 1.0,
        "missing": 0.0,
        "modalities": ("image", "name"),
    }
    clean = SyntheticMMKG(feature_noise=0.0, **options)[0]
    noisy = SyntheticMMKG(feature_noise=feature_noise, **options)[0]
    source, target = clean[SAME_AS].edge_index
    for modality in ("image", "name"):
        noise = {}
        for name in clean.node_types:
            signal = _dense(clean, name, modality)
            noise[name] = _dense(noisy, name, modality) - signal
            assert float(signal.std()) == pytest.approx(1.0, rel=0.1)
            assert float(noise[name].std()) == pytest.approx(feature_noise, rel=0.01)
        product = (noise["source"][source] * noise["target"][target]).mean()
        assert abs(float(product)) <= 0.02 * feature_noise**2


def test_missing_is_the_share_of_absent_rows_of_a_side():
    data = _problem(missing=0.25)
    for name in data.node_types:
        for modality in ("attribute", "image", "name"):
            assert int((~data[name][f"mask_{modality}"]).sum()) == 50
        degree = data[name, "rel", name].edge_index.flatten().bincount(minlength=200)
        missing = int((~data[name].mask_relation).sum())
        assert 50 <= missing <= 50 + int((degree == 0).sum())
    assert not torch.equal(data["source"].mask_image, data["target"].mask_image)
    assert not torch.equal(data["source"].mask_image, data["source"].mask_name)

    data = _problem(missing={"image": 0.5})
    for name in data.node_types:
        assert int((~data[name].mask_image).sum()) == 100
        assert data[name].mask_name.all()


@pytest.mark.parametrize("modality", ["relation", "attribute", "image", "name"])
def test_a_noise_modality_says_nothing_of_the_entity(modality):
    options = {"num_entities": 500, "overlap": 1.0, "modalities": (modality,), **CLEAN}
    clean = SyntheticMMKG(**options)[0]
    noisy = SyntheticMMKG(noise_modalities=(modality,), **options)[0]
    source, target = clean[SAME_AS].edge_index
    x_clean, x_noisy = (_dense(data, "target", modality) for data in (clean, noisy))
    assert torch.equal(*(_dense(data, "source", modality) for data in (clean, noisy)))

    x_source = _dense(noisy, "source", modality)[source]
    rank = ranking_metrics(x_source, x_noisy[target])["mr"]
    # Chance is 250.5 with a standard error of 500 / sqrt(12 * 500) = 6.5.
    assert rank == pytest.approx(250.5, abs=4 * 6.5)
    assert ranking_metrics(x_source, x_clean[target])["mr"] < 10
    # The features look the same from outside.
    assert float(x_noisy.std()) == pytest.approx(float(x_clean.std()), rel=0.1)
    assert float(x_noisy.mean()) == pytest.approx(float(x_clean.mean()), abs=0.05)
    if modality == "relation":
        assert torch.equal(x_noisy.sum(dim=0), x_clean.sum(dim=0))


def test_sizes_of_the_vocabularies_and_views():
    data = _problem(
        num_relations=7,
        num_attributes=9,
        latent_channels=5,
        image_channels=30,
        name_channels=20,
        **CLEAN,
    )
    for name in data.node_types:
        assert data[name, "rel", name].edge_type.unique().tolist() == list(range(7))
        assert data[name].x_relation.shape == (200, 7)
        assert data[name].x_attribute.shape == (200, 9)
        assert (_dense(data, name, "attribute").sum(dim=0) > 0).all()
        for x, channels in ((data[name].x_image, 30), (data[name].x_name, 20)):
            assert x.size(1) == channels
            assert torch.linalg.matrix_rank(x) == 5
