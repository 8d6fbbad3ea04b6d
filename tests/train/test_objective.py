import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from pyg_ibmea.datasets import SyntheticMMKG
from pyg_ibmea.nn import IBMEA, HybridContrastiveLoss, IBMEAOutput
from pyg_ibmea.options.loss import parse_beta, show_beta
from pyg_ibmea.problem import modalities_of
from pyg_ibmea.train import LossOptions, Objective

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


@pytest.fixture(params=["one by one", "at once, as on a GPU"])
def modalities(request, monkeypatch):
    """How the losses of the modalities are computed."""
    if request.param != "one by one":
        monkeypatch.setattr(torch.Tensor, "is_cuda", True, raising=False)


@pytest.mark.usefixtures("modalities")
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


@pytest.mark.usefixtures("modalities")
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


def test_from_options():
    options = LossOptions(
        objective="multi_similarity",
        scale_pos=2.0,
        scale_neg=30.0,
        base=0.4,
        beta=parse_beta("1e-3,image=0.1"),
        beta_warmup=7,
        hybrid_weight=3.0,
        modal_temperature=0.3,
    )
    objective = Objective.from_options(options, ["graph", "image"])
    assert objective.beta == {"graph": 1e-3, "image": 0.1}
    assert objective.hybrid.objective == "multi_similarity"
    assert (objective.hybrid.scale_pos, objective.hybrid.scale_neg) == (2.0, 30.0)
    assert (objective.hybrid.base, objective.hybrid_weight) == (0.4, 3.0)
    assert (objective.info_nce.temperature, objective.beta_warmup) == (0.3, 7)
    options = LossOptions(objective="info_nce", temperature=0.7)
    assert Objective.from_options(options, ["graph"]).hybrid.temperature == 0.7


def test_loss_of_ones_own(output):
    def distance(source, target):
        return (source - target).square().sum()

    options = LossOptions(beta=0.5, hybrid_weight=3.0, modal_temperature=0.2)
    objective = Objective.from_options(options, ["graph"], hybrid=distance)
    total, terms = objective(output, PAIR, epoch=9)
    squares = sum(
        (a - b) ** 2
        for a, b in zip(*(output.z[kg].flatten().tolist() for kg in PAIR), strict=True)
    )
    assert float(terms["hybrid"]) == pytest.approx(squares)
    others = Objective(HybridContrastiveLoss(), {"graph": 0.5}, 0.0, 0.2)
    rest, _ = others(output, PAIR, epoch=9)
    assert float(total - rest) == pytest.approx(3 * squares)
    assert objective.state_dict() == {}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("high", "beta must be a number, got 'high'"),
        ("-1", "beta must be non-negative, got -1.0"),
        ("nan", "beta must be non-negative, got nan"),
        ("inf", "beta must be non-negative, got inf"),
        ("1e-3,graph=-1", "beta of 'graph' must be non-negative, got -1.0"),
        ("1e-3,sound=1", "beta is given for 'sound', but the modalities are"),
        ("1e-3,graph=", "beta must be a number, got 'graph='"),
    ],
)
def test_bad_beta(text, message):
    with pytest.raises(ValueError, match=message):
        LossOptions(beta=parse_beta(text)).betas(["graph"])


def test_beta_of_a_known_modality_that_the_model_lacks():
    options = LossOptions(beta=parse_beta("1e-3,relation=1e-2"))
    assert options.betas(["graph"]) == {"graph": 1e-3}


def test_beta_of_every_modality_of_the_data():
    data = SyntheticMMKG(num_entities=60)[0]
    data["source"].x_sound = torch.ones(data["source"].num_nodes, 2)
    known = modalities_of(data)
    assert "sound" in known
    for name in (*known, "graph", "number"):
        options = LossOptions(beta={"*": 1e-3, name: 0.5})
        # A model may leave modalities out; their factors go with them.
        assert options.betas(["graph"], known) == {
            "graph": 0.5 if name == "graph" else 1e-3
        }
        assert options.betas([name, "other"], known) == {name: 0.5, "other": 1e-3}
    options = LossOptions(beta={"sound": 0.5})
    assert options.betas(["graph", "sound"]) == {"graph": 0.0, "sound": 0.5}
    with pytest.raises(ValueError, match=r"for 'sound'.* are \['graph', 'image'"):
        options.betas(["graph", "image"])


def test_one_beta_is_that_of_all():
    assert LossOptions(beta=0.25).beta == {"*": 0.25}
    assert LossOptions(beta=0.25).betas(["a", "b"]) == {"a": 0.25, "b": 0.25}
    assert LossOptions(beta={}).betas(["a"]) == {"a": 0.0}


@given(
    st.dictionaries(
        st.text("abc*", min_size=1, max_size=3),
        st.sampled_from([0.0, 1e-4, 0.25, 7.0, 1e-9, 3e5]),
        min_size=1,
    )
)
def test_beta_as_text_is_read_back(beta):
    assert parse_beta(show_beta(beta)) == beta


def test_minimising_it_aligns_the_training_pairs():
    data = SyntheticMMKG(num_entities=60)[0]
    model = IBMEA.from_data(data, graph_channels=16, modal_channels=8)
    objective = Objective.from_options(LossOptions(), model.modalities)
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
