import pytest
import torch

from pyg_ibmea.nn import ModalFusion


def test_equals_the_formula_row_by_row():
    fusion = ModalFusion(["graph", "image", "name"]).double()
    torch.nn.init.normal_(fusion.score)
    sizes = {"graph": 3, "image": 2, "name": 4}
    latents = {m: torch.randn(5, c, dtype=torch.float64) for m, c in sizes.items()}
    masks = {
        "image": torch.tensor([True, False, True, False, True]),
        "name": torch.tensor([True, True, False, False, True]),
    }
    out = fusion(latents, masks)
    for i in range(5):
        present = [m for m in sizes if m not in masks or masks[m][i]]
        scores = {m: fusion.score[fusion.modalities.index(m)].exp() for m in present}
        parts = [
            scores[m] / sum(scores.values()) * latents[m][i] / latents[m][i].norm()
            if m in present
            else torch.zeros(c, dtype=torch.float64)
            for m, c in sizes.items()
        ]
        torch.testing.assert_close(out[i], torch.cat(parts))


def test_entity_without_any_modality_is_zero_with_finite_gradient():
    fusion = ModalFusion(["image"])
    latents = torch.randn(2, 3, requires_grad=True)
    out = fusion({"image": latents}, {"image": torch.tensor([False, True])})
    out.sum().backward()
    assert out[0].eq(0).all()
    assert out[1].norm().isclose(torch.tensor(1.0))
    assert latents.grad.isfinite().all()
    assert fusion.score.grad.isfinite().all()


def test_weights_sum_to_one_and_start_equal():
    fusion = ModalFusion(["graph", "image"])
    assert fusion.weights() == {"graph": 0.5, "image": 0.5}
    fusion.score.data = torch.tensor([1.0, 0.0])
    assert sum(fusion.weights().values()) == pytest.approx(1.0)
    assert fusion.weights()["graph"] == pytest.approx(1 / (1 + 2.718281828**-1))
    fusion.reset_parameters()
    assert fusion.weights() == {"graph": 0.5, "image": 0.5}


def test_gradcheck():
    fusion = ModalFusion(["graph", "image"]).double()
    mask = {"image": torch.tensor([True, False, True])}
    inputs = [
        torch.randn(3, 2, dtype=torch.float64, requires_grad=True) for _ in range(2)
    ]

    def call(score, graph, image):
        values = {"score": score}
        latents = {"graph": graph, "image": image}
        return torch.func.functional_call(fusion, values, (latents, mask))

    assert torch.autograd.gradcheck(call, (fusion.score, *inputs))


def test_no_modality_at_all():
    with pytest.raises(ValueError, match="at least one modality"):
        ModalFusion([])
    assert repr(ModalFusion(["graph"])) == "ModalFusion(['graph'])"
