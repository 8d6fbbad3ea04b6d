import pytest

from pyg_ibmea.datasets.synthetic import SyntheticMMKG


@pytest.mark.parametrize(
    ("knobs", "message"),
    [
        ({"num_entities": 3}, "num_entities must be at least 4"),
        ({"num_relations": 0}, "num_relations must be at least 1, got 0"),
        ({"num_attributes": 0}, "num_attributes must be at least 1"),
        ({"latent_channels": 0}, "latent_channels must be at least 1"),
        ({"image_channels": -1}, "image_channels must be at least 1"),
        ({"name_channels": 0}, "name_channels must be at least 1"),
        ({"overlap": 0.0}, r"overlap must lie in \(0, 1\]"),
        ({"overlap": 1.1}, "overlap must lie"),
        ({"overlap": float("nan")}, "overlap must lie"),
        ({"avg_degree": 0.0}, "avg_degree must lie"),
        ({"avg_degree": 101.0}, r"num_entities / 2 = 100.0\], got 101.0"),
        ({"edge_noise": -0.1}, "edge_noise must lie"),
        ({"attribute_noise": 2.0}, "attribute_noise must lie"),
        ({"feature_noise": -1.0}, "feature_noise must be finite"),
        ({"feature_noise": float("inf")}, "feature_noise must be finite"),
        ({"missing": 1.0}, r"missing must lie in \[0, 1\), got 1.0 for relation"),
        ({"missing": {"image": -0.5}}, "got -0.5 for image"),
        ({"missing": {"video": 0.5}}, r"missing names \['video'\]"),
        ({"modalities": ("sound",)}, r"modalities names \['sound'\]"),
        ({"modalities": ("name", "name")}, "names a modality twice"),
        ({"noise_modalities": ("graph",)}, r"noise_modalities names \['graph'\]"),
        ({"modalities": ("name",), "noise_modalities": ("image",)}, "noise_modalities"),
        ({"names": ("en", "en")}, "two different non-empty names"),
        ({"names": ("en", "")}, "two different non-empty names"),
        ({"names": ("en", "fr", "de")}, "two different non-empty names"),
        ({"seed": -1}, "seed must be non-negative"),
        ({"ratio": 0.0}, "ratio must lie"),
        ({"val_ratio": 1.5}, "val_ratio must lie"),
    ],
)
def test_unfit_knobs_are_refused(knobs, message):
    with pytest.raises(ValueError, match=message):
        SyntheticMMKG(**{"num_entities": 200, **knobs})
