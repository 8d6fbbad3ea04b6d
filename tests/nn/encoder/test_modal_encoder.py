import pytest
import torch

from pyg_ibmea.nn import ModalVIBEncoder


def by_hand(encoder, modality, x):
    """Mean and log sigma of one modality, row by row."""
    means, logstds = [], []
    for row in x:
        unit = row / row.norm() if row.norm() > 0 else row
        h = encoder.hidden[modality](unit).relu()
        mean = encoder.mean[modality](h)
        if encoder.with_residual:
            mean = mean + encoder.residual[modality].weight @ unit
        means.append(mean)
        logstds.append(encoder.logstd[modality](h))
    return torch.stack(means), torch.stack(logstds)


@pytest.mark.parametrize("residual", [False, True])
@pytest.mark.parametrize("layout", ["dense", "coo", "csr"])
def test_equals_the_formula_row_by_row_in_any_layout(layout, residual):
    encoder = ModalVIBEncoder({"image": 5}, 3, residual=residual).double().eval()
    for parameter in encoder.parameters():
        torch.nn.init.normal_(parameter)
    x = torch.randn(6, 5, dtype=torch.float64).relu()
    x[2] = 0
    given = {"dense": x, "coo": x.to_sparse(), "csr": x.to_sparse_csr()}[layout]
    latents, posteriors = encoder({"image": given})
    mean, logstd = by_hand(encoder, "image", x)
    torch.testing.assert_close(posteriors["image"].mean, mean)
    torch.testing.assert_close(posteriors["image"].logstd, logstd)
    torch.testing.assert_close(latents["image"], mean)


@pytest.mark.parametrize("residual", [False, True])
@pytest.mark.parametrize("sparse", [False, True])
def test_gradcheck(sparse, residual):
    encoder = ModalVIBEncoder({"a.b": 4}, 3, residual=residual).double().eval()
    x = torch.rand(5, 4, dtype=torch.float64)
    x = x.to_sparse() if sparse else x
    names = [name for name, _ in encoder.named_parameters()]

    def call(*parameters):
        values = dict(zip(names, parameters, strict=True))
        latents, posteriors = torch.func.functional_call(encoder, values, ({"a.b": x},))
        return latents["a.b"], posteriors["a.b"].kl()

    assert torch.autograd.gradcheck(call, tuple(encoder.parameters()))


def test_missing_rows_are_zero_and_pass_no_gradient():
    encoder = ModalVIBEncoder({"image": 5}, 16)
    x = torch.randn(4, 5, requires_grad=True)
    mask = torch.tensor([True, False, True, False])
    latents, _ = encoder({"image": x}, {"image": mask})
    latents["image"].square().sum().backward()
    assert latents["image"][~mask].eq(0).all()
    assert latents["image"][mask].ne(0).all()
    assert x.grad[~mask].eq(0).all()
    assert x.grad[mask].ne(0).all()


def test_sampling_in_training_the_mean_in_evaluation():
    encoder = ModalVIBEncoder({"image": 5}, 3)
    x = {"image": torch.randn(4, 5)}
    latents, posteriors = encoder(x)
    assert not latents["image"].equal(posteriors["image"].mean)
    encoder.eval()
    latents, posteriors = encoder(x)
    assert latents["image"].equal(posteriors["image"].mean)


def test_sigma_starts_small():
    encoder = ModalVIBEncoder({"image": 100}, 100)
    _, posteriors = encoder({"image": torch.randn(50, 100)})
    assert posteriors["image"].std.max() < 0.2


def test_bottleneck_of_some_modalities_only():
    encoder = ModalVIBEncoder({"image": 5, "name": 5}, 3, bottleneck=["name"])
    x = torch.randn(4, 5)
    latents, posteriors = encoder({"image": x, "name": x})
    assert list(posteriors) == ["name"]
    assert latents["image"].equal(encoder({"image": x})[0]["image"])
    assert encoder({}) == ({}, {})


def test_dropout_is_for_training_only():
    encoder = ModalVIBEncoder({"image": 5}, 8, bottleneck=False, dropout=0.5)
    x = {"image": torch.randn(4, 5)}
    assert not encoder(x)[0]["image"].equal(encoder(x)[0]["image"])
    encoder.eval()
    assert encoder(x)[0]["image"].equal(encoder(x)[0]["image"])


def test_names_that_a_module_dict_would_refuse():
    encoder = ModalVIBEncoder({"type": 2, "en.name": 2}, 3)
    latents, _ = encoder({"type": torch.ones(1, 2), "en.name": torch.ones(1, 2)})
    assert set(latents) == {"type", "en.name"}
    twin = ModalVIBEncoder({"type": 2, "en.name": 2}, 3)
    twin.load_state_dict(encoder.state_dict())


def test_reset_and_repr():
    encoder = ModalVIBEncoder({"image": 5}, 3, init_logstd=-2.0)
    before = encoder.mean["image"].weight.clone()
    encoder.reset_parameters()
    assert not encoder.mean["image"].weight.equal(before)
    assert encoder.logstd["image"].bias.eq(-2.0).all()
    assert repr(encoder) == "ModalVIBEncoder({'image': 5}, 3)"


@pytest.mark.parametrize(
    ("x", "mask", "message"),
    [
        ({"sound": torch.ones(2, 5)}, None, "unknown modality 'sound'"),
        ({"image": torch.ones(2, 4)}, None, r"\[num_entities, 5\], got \[2, 4\]"),
        ({"image": torch.ones(2, 5)}, {"image": torch.ones(2)}, "must be bool"),
        (
            {"image": torch.ones(2, 5)},
            {"image": torch.ones(3, dtype=torch.bool)},
            r"must be bool \[2\], got torch.bool \[3\]",
        ),
    ],
)
def test_bad_input(x, mask, message):
    with pytest.raises(ValueError, match=message):
        ModalVIBEncoder({"image": 5}, 3)(x, mask)


def test_bottleneck_of_an_unknown_modality():
    with pytest.raises(ValueError, match=r"names \['sound'\]"):
        ModalVIBEncoder({"image": 5}, 3, bottleneck=["sound"])


@pytest.mark.parametrize(("wide", "error"), [(16, 1e-5), (2000, 0.25)])
def test_residual_starts_with_the_cosines_of_the_features(wide, error):
    torch.manual_seed(0)
    encoder = ModalVIBEncoder({"image": wide}, 200, residual=True).eval()
    x = torch.randn(40, wide) + 0.5 * torch.randn(1, wide)
    z = encoder({"image": 3 * x})[0]["image"].detach()
    assert z.norm(dim=1).mean() == pytest.approx(1, abs=0.1)

    def cosine(rows):
        rows = torch.nn.functional.normalize(rows)
        return rows @ rows.t()

    assert (cosine(z) - cosine(x)).abs().max() < error
    encoder.mean["image"].reset_parameters()
    encoder.reset_parameters()
    assert encoder.mean["image"].weight.eq(0).all()
    assert repr(encoder) == f"ModalVIBEncoder({{'image': {wide}}}, 200, residual=True)"


def test_the_paper_has_no_residual():
    torch.manual_seed(0)
    assert not ModalVIBEncoder({"image": 5}, 3).residual
