import pytest
import torch

from pyg_ibmea.datasets import SyntheticMMKG
from pyg_ibmea.nn import IBMEA, HybridContrastiveLoss, IBMEAOutput
from pyg_ibmea.train import Objective, TrainConfig, parse_betas

PAIR = ("a", "b")


def output_of(latents, masks, kl):
    z = {kg: torch.cat([latents[m][kg] for m in latents], dim=1) for kg in PAIR}
    return IBMEAOutput(z, latents, masks, kl, {}, {})


@pytest.fixture
def output():
    torch.manual_seed(0)
    latents = {m: {kg: torch.randn(5, 3) for kg in PAIR} for m in ("graph", "image")}
    yes = torch.ones(5, dtype=torch.bool)
    masks = {
        "graph": {"a": yes, "b": yes},
        "image": {
            "a": torch.tensor([True, True, False, True, True]),
            "b": torch.tensor([True, False, True, True, False]),
        },
    }
    kl = {"graph": torch.tensor(2.0), "image": torch.tensor(10.0)}
    return output_of(latents, masks, kl)


def test_sum_of_its_terms(output):
    hybrid = HybridContrastiveLoss()
    objective = Objective(hybrid, {"graph": 0.1, "image": 0.01}, 3.0, temperature=0.2)
    total, terms = objective(output, PAIR, epoch=1)
    nce = HybridContrastiveLoss("info_nce", temperature=0.2)
    both = [0, 3]  # The pairs that have an image on both sides.
    expected = {
        "hybrid": hybrid(output.z["a"], output.z["b"]),
        "info_nce/graph": nce(*(output.latents["graph"][kg] for kg in PAIR)),
        "guess/graph": torch.tensor(5.0).log(),
        "info_nce/image": nce(*(output.latents["image"][kg][both] for kg in PAIR)),
        "guess/image": torch.tensor(2.0).log(),
        "kl/graph": torch.tensor(2.0),
        "kl/image": torch.tensor(10.0),
    }
    assert list(terms) == list(expected)
    for name, value in expected.items():
        torch.testing.assert_close(terms[name], value)
    torch.testing.assert_close(
        total,
        3 * expected["hybrid"]
        + expected["info_nce/graph"]
        + expected["info_nce/image"]
        + 0.1 * 2.0
        + 0.01 * 10.0,
    )


def test_modality_that_no_pair_has_on_both_sides(output):
    output.masks["image"]["b"] = ~output.masks["image"]["a"]
    _, terms = Objective(HybridContrastiveLoss(), {})(output, PAIR, 1)
    assert terms["info_nce/image"] == terms["guess/image"] == 0


def test_beta_warms_up():
    objective = Objective(HybridContrastiveLoss(), {"graph": 0.4}, beta_warmup=4)
    assert [objective.beta_at("graph", e) for e in (1, 2, 4, 9)] == [0.1, 0.2, 0.4, 0.4]
    assert objective.beta_at("image", 9) == 0


def test_loss_that_is_not_finite_names_the_term(output):
    output.kl["image"] = torch.tensor(float("nan"))
    objective = Objective(HybridContrastiveLoss(), {"image": 1.0})
    with pytest.raises(FloatingPointError, match=r"epoch 3 .*\['kl/image'\]"):
        objective(output, PAIR, epoch=3)


def test_from_config():
    config = TrainConfig(
        objective="multi_similarity",
        scale_pos=2.0,
        scale_neg=30.0,
        base=0.4,
        beta="1e-3,image=0.1",
        beta_warmup=7,
        hybrid_weight=3.0,
        modal_temperature=0.3,
    )
    objective = Objective.from_config(config, ["graph", "image"])
    assert objective.beta == {"graph": 1e-3, "image": 0.1}
    assert (objective.hybrid.scale_pos, objective.hybrid.scale_neg) == (2.0, 30.0)
    assert (objective.hybrid.base, objective.hybrid_weight) == (0.4, 3.0)
    assert (objective.info_nce.temperature, objective.beta_warmup) == (0.3, 7)
    config = TrainConfig(objective="info_nce", temperature=0.7)
    assert Objective.from_config(config, ["graph"]).hybrid.temperature == 0.7


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("high", "beta 'high' is no non-negative number"),
        ("-1", "beta '-1' is no non-negative number"),
        ("nan", "no non-negative number"),
        ("1e-3,sound=1", "beta for 'sound', but the modalities are"),
        ("1e-3,graph=", "beta 'graph=' is no"),
    ],
)
def test_bad_beta(text, message):
    with pytest.raises(ValueError, match=message):
        parse_betas(text, ["graph"])


def test_beta_of_a_known_modality_that_the_model_lacks():
    assert parse_betas("1e-3,relation=1e-2", ["graph"]) == {"graph": 1e-3}


def test_minimising_it_aligns_the_training_pairs():
    data = SyntheticMMKG(num_entities=60)[0]
    model = IBMEA.from_data(data, graph_channels=16, modal_channels=8)
    objective = Objective.from_config(TrainConfig(), model.modalities)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    links = data["source", "same_as", "target"].edge_index
    entities = {"source": links[0], "target": links[1]}
    losses = []
    for epoch in range(1, 21):
        loss, _ = objective(model(data, entities), ("source", "target"), epoch)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.5 * losses[0]
