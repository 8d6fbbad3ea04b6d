import copy

import torch
from hypothesis import example, given
from hypothesis import strategies as st
from torch_geometric.nn.module_dict import ModuleDict

from pyg_ibmea.nn import ModalVIBEncoder
from pyg_ibmea.nn._named_modules import NamedModules

WORDS = st.text("ab.#<>%_é\n/", max_size=6) | st.sampled_from(dir(NamedModules()))


@given(st.lists(WORDS, unique=True, max_size=8))
@example(["a.b", "a#b", "a..b", "a##b", "", "training", "<training>", "<%training>"])
@example(
    ["type", "<type>", "<%3Ctype%3E>", "<%>", "<a___b>", "_modules", "23", "<", ">"]
)
def test_every_name_is_a_module_of_its_own(names):
    modules = NamedModules()
    for size, name in enumerate(names, start=1):
        modules[name] = torch.nn.Linear(size, 1, bias=False)
    assert list(modules.keys()) == names
    assert [name for name, _ in modules.items()] == names
    for size, name in enumerate(names, start=1):
        assert name in modules
        assert modules[name].in_features == size
    assert len(modules.state_dict()) == len(names)
    for again in (copy.deepcopy(modules), NamedModules(dict(modules.items()))):
        assert list(again.keys()) == names
        again.load_state_dict(modules.state_dict())


@given(st.text("ab.é/ -", min_size=1) | st.sampled_from(["type", "keys", "forward"]))
def test_keys_of_ordinary_names_are_as_in_pyg(name):
    mine, theirs = NamedModules(), ModuleDict()
    mine[name], theirs[name] = torch.nn.Linear(1, 1), torch.nn.Linear(1, 1)
    assert list(mine.state_dict()) == list(theirs.state_dict())
    given = {name: torch.nn.Linear(1, 1)}
    assert list(NamedModules(given).state_dict()) == list(theirs.state_dict())


def test_the_modal_encoder_keeps_names_apart():
    widths = {"a.b": 2, "a#b": 3, "training": 4, "_modules": 5, "": 6}
    encoder = ModalVIBEncoder(widths, 3, residual=True)
    x = {name: torch.randn(7, width) for name, width in widths.items()}
    latents, posteriors = encoder(x)
    assert set(latents) == set(posteriors) == set(widths)
