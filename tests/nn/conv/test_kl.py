"""The KL divergence that a layer keeps, in the loops that people write."""

import copy
import gc
import pickle
import weakref

import pytest
import torch
from torch.utils.checkpoint import checkpoint
from torch_geometric.nn import HeteroConv

from pyg_ibmea.nn import VariationalIBConv, collect_kl

EDGE_INDEX = torch.tensor([[0, 1, 2, 3, 0], [1, 2, 0, 2, 3]])


def conv_of(in_channels=4, out_channels=4):
    conv = VariationalIBConv(in_channels, out_channels).double()
    torch.nn.init.normal_(conv.scale, std=0.1)
    return conv


def nodes(num_nodes=4, channels=4):
    return torch.randn(num_nodes, channels, dtype=torch.float64)


def kl_of(conv, x, edge_index=EDGE_INDEX):
    """The divergences of the nodes, without a record."""
    return conv.encode(x, edge_index).kl()


def gradients(loss, conv):
    return torch.autograd.grad(loss, list(conv.parameters()), allow_unused=True)


def assert_same_gradients(conv, expected):
    for parameter, wanted in zip(conv.parameters(), expected, strict=True):
        given = parameter.grad
        if wanted is None:
            assert given is None or given.eq(0).all()
        else:
            torch.testing.assert_close(given, wanted)


def test_a_layer_used_twice_counts_both_calls():
    conv, x, y = conv_of(), nodes(4), nodes(6)
    held = conv(x, EDGE_INDEX), conv(y, EDGE_INDEX)
    both = torch.cat([kl_of(conv, x), kl_of(conv, y)])
    torch.testing.assert_close(conv.kl_loss(), both.mean())
    torch.testing.assert_close(conv.kl_loss("sum"), both.sum())
    (sum(z.sum() * 0 for z in held) + conv.kl_loss()).backward()
    assert_same_gradients(conv, gradients(both.mean(), conv))


def test_a_layer_applied_to_its_own_output():
    conv, x = conv_of(), nodes()
    conv.eval()
    first = conv(x, EDGE_INDEX)
    conv(first, EDGE_INDEX)
    both = torch.cat([kl_of(conv, x), kl_of(conv, first)])
    torch.testing.assert_close(conv.kl_loss(), both.mean())


def test_a_layer_that_relations_share():
    conv = conv_of()
    conv.add_self_loops = False
    hetero = HeteroConv({("a", "to", "b"): conv, ("b", "to", "a"): conv})
    x = {"a": nodes(4), "b": nodes(6)}
    edges = {("a", "to", "b"): EDGE_INDEX, ("b", "to", "a"): EDGE_INDEX.flip(0)}
    out = hetero(x, edges)
    both = torch.cat(
        [
            kl_of(conv, (x["a"], x["b"])),
            kl_of(conv, (x["b"], x["a"]), EDGE_INDEX.flip(0)),
        ]
    )
    torch.testing.assert_close(collect_kl(hetero), both.mean())
    torch.testing.assert_close(collect_kl(hetero, "sum"), both.sum())
    (out["a"].sum() + out["b"].sum() + collect_kl(hetero)).backward()


def test_no_nodes_cost_nothing():
    conv = conv_of()
    conv(nodes(0), torch.empty(2, 0, dtype=torch.long))
    for reduction in ("mean", "sum"):
        assert conv.kl_loss(reduction) == 0
        assert collect_kl(conv, reduction) == 0
    conv.kl_loss().backward()


def kl_first(conv, task):
    conv.kl_loss().backward(retain_graph=True)
    task.backward()


def task_first(conv, task):
    task.backward(retain_graph=True)
    conv.kl_loss().backward()


def together(conv, task):
    (task + conv.kl_loss()).backward()


def kl_added_before(conv, task):
    (conv.kl_loss() + task).backward()


def asked_twice(conv, task):
    (task + conv.kl_loss() / 2 + collect_kl(conv) / 2).backward()


ORDERS = [kl_first, task_first, together, kl_added_before, asked_twice]


@pytest.mark.parametrize("step", ORDERS)
def test_three_steps_of_an_optimiser(step):
    conv = conv_of()
    optimiser = torch.optim.SGD(conv.parameters(), lr=0.1)
    for seed in range(3):
        x = nodes()
        torch.manual_seed(seed)
        posterior = conv.encode(x, EDGE_INDEX)
        loss = posterior.rsample().square().sum() + posterior.kl().mean()
        expected = gradients(loss, conv)
        optimiser.zero_grad()
        torch.manual_seed(seed)
        task = conv(x, EDGE_INDEX).square().sum()
        step(conv, task)
        assert_same_gradients(conv, expected)
        optimiser.step()


def test_steps_that_recompute_the_forward():
    conv = conv_of()
    optimiser = torch.optim.SGD(conv.parameters(), lr=0.1)
    for seed in range(3):
        x = nodes()
        torch.manual_seed(seed)
        posterior = conv.encode(x, EDGE_INDEX)
        loss = posterior.rsample().square().sum() + posterior.kl().mean()
        expected = gradients(loss, conv)
        optimiser.zero_grad()
        torch.manual_seed(seed)
        z = checkpoint(conv, x, EDGE_INDEX, use_reentrant=False)
        torch.testing.assert_close(conv.kl_loss(), kl_of(conv, x).mean())
        (z.square().sum() + conv.kl_loss()).backward()
        assert_same_gradients(conv, expected)
        optimiser.step()


def test_a_forward_without_gradients_has_none():
    conv, x = conv_of(), nodes().requires_grad_()
    z = checkpoint(conv, x, EDGE_INDEX, use_reentrant=True)
    assert z.requires_grad
    assert not conv.kl_loss().requires_grad
    torch.testing.assert_close(conv.kl_loss(), kl_of(conv, x).mean())


def test_kl_in_every_second_step_only():
    conv = conv_of()
    optimiser = torch.optim.SGD(conv.parameters(), lr=0.1)
    for step in range(4):
        x = nodes()
        optimiser.zero_grad()
        loss = conv(x, EDGE_INDEX).square().sum()
        if step % 2:
            torch.testing.assert_close(conv.kl_loss(), kl_of(conv, x).mean())
            loss = loss + conv.kl_loss()
        loss.backward()
        optimiser.step()


@pytest.mark.parametrize("no_grad", [True, False])
def test_evaluation_between_the_steps(no_grad):
    conv = conv_of()
    optimiser = torch.optim.SGD(conv.parameters(), lr=0.1)
    for _ in range(3):
        x = nodes()
        conv.train()
        optimiser.zero_grad()
        loss = conv(x, EDGE_INDEX).square().sum()
        torch.testing.assert_close(conv.kl_loss(), kl_of(conv, x).mean())
        (loss + conv.kl_loss()).backward()
        optimiser.step()
        conv.eval()
        with torch.set_grad_enabled(not no_grad):
            x = nodes(6)
            held = conv(x, EDGE_INDEX)
            torch.testing.assert_close(conv.kl_loss(), kl_of(conv, x).mean())
            del held


def test_gradients_that_two_batches_add_up():
    conv = conv_of()
    for _ in range(3):
        conv.zero_grad()
        batches = nodes(4), nodes(6)
        whole = sum(kl_of(conv, x).mean() for x in batches)
        expected = gradients(whole, conv)
        for x in batches:
            z = conv(x, EDGE_INDEX)
            (z.sum() * 0 + conv.kl_loss()).backward()
        assert_same_gradients(conv, expected)


def test_two_batches_before_one_backward():
    conv = conv_of()
    for _ in range(3):
        conv.zero_grad()
        batches = nodes(4), nodes(6)
        expected = gradients(torch.cat([kl_of(conv, x) for x in batches]).mean(), conv)
        task = sum(conv(x, EDGE_INDEX).sum() * 0 for x in batches)
        (task + conv.kl_loss()).backward()
        assert_same_gradients(conv, expected)


def test_backward_of_the_latent_first_and_then_of_kl():
    conv, x = conv_of(), nodes()
    z = conv(x, EDGE_INDEX)
    z.sum().backward(retain_graph=True)
    conv.zero_grad()
    conv.kl_loss().backward()
    assert_same_gradients(conv, gradients(kl_of(conv, x).mean(), conv))


def test_a_dropped_forward_does_not_count():
    conv, x = conv_of(), nodes()
    conv(nodes(6), EDGE_INDEX)  # As when a batch is skipped.
    z = conv(x, EDGE_INDEX)
    torch.testing.assert_close(conv.kl_loss(), kl_of(conv, x).mean())
    del z


def test_zero_kl_forgets():
    conv, x = conv_of(), nodes()
    held = conv(nodes(6), EDGE_INDEX)
    conv.zero_kl()
    with pytest.raises(RuntimeError, match="there has been none yet"):
        conv.kl_loss()
    with pytest.raises(RuntimeError, match="there has been none yet"):
        collect_kl(conv)
    conv(x, EDGE_INDEX)
    torch.testing.assert_close(conv.kl_loss(), kl_of(conv, x).mean())
    del held


@pytest.mark.parametrize("training", [True, False])
def test_the_layer_does_not_keep_the_latent(training):
    conv = conv_of().train(training)
    z, posterior = conv(nodes(), EDGE_INDEX, return_posterior=True)
    conv.kl_loss()
    watched = weakref.ref(z), weakref.ref(posterior)
    del z, posterior
    gc.collect()
    assert [ref() for ref in watched] == [None, None]


def test_the_records_do_not_grow():
    conv = conv_of()
    for _ in range(5):
        (conv(nodes(), EDGE_INDEX).sum() + conv.kl_loss()).backward()
    assert len(conv.kl_records._calls) == 1
    conv.eval()
    with torch.no_grad():
        outputs = [conv(nodes(), EDGE_INDEX) for _ in range(5)]
    assert len(conv.kl_records._calls) == 1
    assert len(outputs) == 5


@pytest.mark.parametrize(
    "twin_of", [copy.copy, copy.deepcopy, lambda conv: pickle.loads(pickle.dumps(conv))]
)
def test_copies_keep_records_of_their_own(twin_of):
    conv, x = conv_of(), nodes()
    held = conv(x, EDGE_INDEX)
    twin = twin_of(conv)
    with pytest.raises(RuntimeError):
        twin.kl_loss()
    y = nodes(6)
    other = twin(y, EDGE_INDEX)
    torch.testing.assert_close(twin.kl_loss(), kl_of(conv, y).mean())
    torch.testing.assert_close(conv.kl_loss(), kl_of(conv, x).mean())
    del held, other


def call(conv, parameters, x):
    return torch.func.functional_call(conv, parameters, (x, EDGE_INDEX))


@pytest.mark.parametrize("transform", ["call", "grad", "vmap", "vmap of grad"])
def test_after_a_functional_transform(transform):
    conv, x = conv_of().eval(), nodes()
    parameters = {name: p.detach() for name, p in conv.named_parameters()}
    several = torch.stack([x, nodes()])

    def loss(parameters, x):
        z = call(conv, parameters, x)
        return z.square().sum() + conv.kl_loss()

    if transform == "call":
        call(conv, parameters, x)
    elif transform == "grad":
        given = torch.func.grad(loss)(parameters, x)
        direct = conv.encode(x, EDGE_INDEX)
        direct = direct.mean.square().sum() + direct.kl().mean()
        wanted = dict(zip(parameters, gradients(direct, conv), strict=True))
        for name, grad in given.items():
            torch.testing.assert_close(grad, wanted[name])
    elif transform == "vmap":
        out = torch.func.vmap(lambda x: call(conv, parameters, x))(several)
        torch.testing.assert_close(out, conv(several, EDGE_INDEX))
    else:
        torch.func.vmap(torch.func.grad(loss), in_dims=(None, 0))(parameters, several)
    conv.zero_grad()
    z = conv(x, EDGE_INDEX)
    torch.testing.assert_close(conv.kl_loss(), kl_of(conv, x).mean())
    (z.sum() * 0 + conv.kl_loss()).backward()
    assert_same_gradients(conv, gradients(kl_of(conv, x).mean(), conv))


def test_two_layers_of_different_numbers_of_nodes():
    small, large = conv_of(), conv_of(4, 5)
    model = torch.nn.ModuleList([small, torch.nn.Linear(2, 2), large])
    x, y = nodes(4), nodes(10)
    held = small(x, EDGE_INDEX), large(y, EDGE_INDEX)
    kl_x, kl_y = kl_of(small, x), kl_of(large, y)
    torch.testing.assert_close(collect_kl(model, "sum"), kl_x.sum() + kl_y.sum())
    mean = 2 * (kl_x.sum() + kl_y.sum()) / 14
    torch.testing.assert_close(collect_kl(model), mean)
    del held


def test_layers_without_a_call_count_for_nothing():
    used, idle = conv_of(), conv_of()
    x = nodes()
    held = used(x, EDGE_INDEX)
    model = torch.nn.ModuleList([used, idle])
    torch.testing.assert_close(collect_kl(model), kl_of(used, x).mean())
    del held


def test_errors():
    with pytest.raises(ValueError, match="Linear has no layer with a KL divergence"):
        collect_kl(torch.nn.Linear(2, 2))
    with pytest.raises(RuntimeError, match="there has been none yet"):
        collect_kl(torch.nn.ModuleList([conv_of()]))
    for ask in (collect_kl, VariationalIBConv.kl_loss):
        with pytest.raises(ValueError, match="'mean' or 'sum', got 'max'"):
            ask(conv_of(), "max")
