from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pyg_ibmea.data import split_links
from pyg_ibmea.data.split import all_test, split_folds


def one_to_one(num_links: int) -> torch.Tensor:
    return torch.stack([torch.arange(num_links), torch.arange(num_links).flip(0)])


def counts(masks: tuple[torch.Tensor, ...]) -> list[int]:
    return [int(mask.sum()) for mask in masks]


def test_published_counts_of_dbp15k() -> None:
    masks = split_links(one_to_one(15_000), 0.3)
    assert counts(masks) == [4050, 450, 10_500]
    assert all(mask.dtype == torch.bool for mask in masks)


def test_depends_on_the_seed_of_the_split_only() -> None:
    links = one_to_one(200)
    first = split_links(links, 0.3, split_seed=1)
    torch.manual_seed(99)
    state = torch.get_rng_state()
    again = split_links(links, 0.3, split_seed=1)
    other = split_links(links, 0.3, split_seed=2)
    assert torch.equal(state, torch.get_rng_state())
    assert all(map(torch.equal, first, again))
    assert not torch.equal(first[2], other[2])


def brute_force_components(links: list[tuple[int, int]]) -> list[set[int]]:
    """Merges the links that share an entity until nothing changes."""
    groups = [{i} for i in range(len(links))]
    merged = True
    while merged:
        merged = False
        for a in range(len(groups)):
            for b in range(a + 1, len(groups)):
                if any(
                    links[i][0] == links[j][0] or links[i][1] == links[j][1]
                    for i in groups[a]
                    for j in groups[b]
                ):
                    groups[a] |= groups.pop(b)
                    merged = True
                    break
            if merged:
                break
    return groups


@settings(max_examples=60)
@given(
    links=st.lists(
        st.tuples(st.integers(0, 30), st.integers(0, 30)), min_size=1, max_size=25
    ),
    ratio=st.floats(0.05, 0.95),
    val_ratio=st.floats(0.0, 1.0),
    split_seed=st.integers(0, 2**31),
)
def test_parts_cover_and_keep_components_together(
    links: list[tuple[int, int]], ratio: float, val_ratio: float, split_seed: int
) -> None:
    edge_index = torch.tensor(links).t()
    try:
        masks = split_links(edge_index, ratio, split_seed, val_ratio)
    except ValueError:
        return  # Too few links for these shares.
    assert torch.equal(torch.stack(masks).sum(0), torch.ones(len(links), dtype=int))
    for group in brute_force_components(links):
        assert sum(bool(mask[list(group)].any()) for mask in masks) == 1


@settings(max_examples=60)
@given(
    num_links=st.integers(40, 300),
    ratio=st.floats(0.1, 0.9),
    split_seed=st.integers(0, 1000),
)
def test_counts_are_exact_for_one_to_one_links(
    num_links: int, ratio: float, split_seed: int
) -> None:
    num_seeds = round(ratio * num_links)
    num_val = round(0.25 * num_seeds)
    masks = split_links(one_to_one(num_links), ratio, split_seed, val_ratio=0.25)
    assert counts(masks) == [num_seeds - num_val, num_val, num_links - num_seeds]


def test_no_validation() -> None:
    assert counts(split_links(one_to_one(10), 0.5, val_ratio=0.0)) == [5, 0, 5]


def test_folds_keep_the_published_seed_pairs() -> None:
    seeds = torch.zeros(100, dtype=torch.bool)
    seeds[::4] = True
    train, val, test = split_folds(one_to_one(100), seeds, val_ratio=0.2)
    assert torch.equal(train | val, seeds)
    assert torch.equal(test, ~seeds)
    assert counts((train, val)) == [20, 5]


@pytest.mark.parametrize(
    ("ratio", "val_ratio", "message"),
    [
        (0.0, 0.1, "ratio must lie"),
        (1.1, 0.1, "ratio must lie"),
        (-0.3, 0.1, "ratio must lie"),
        (float("nan"), 0.1, "ratio must lie"),
        (0.5, -0.1, "val_ratio must lie"),
        (0.5, 1.1, "val_ratio must lie"),
        (0.01, 0.1, "no training pair"),
        (0.3, 0.01, "no validation pair"),
        (0.99, 0.1, "no test pair"),
    ],
)
def test_impossible_shares(ratio: float, val_ratio: float, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        split_links(one_to_one(10), ratio, val_ratio=val_ratio)


def test_one_component_cannot_be_split() -> None:
    star = torch.stack([torch.zeros(10, dtype=torch.long), torch.arange(10)])
    with pytest.raises(ValueError, match="no validation pair"):
        split_links(star, 0.5)


@pytest.mark.parametrize(
    "links", [torch.zeros(3, 4, dtype=torch.long), torch.rand(2, 4), -torch.ones(2, 4)]
)
def test_links_of_the_wrong_form(links: torch.Tensor) -> None:
    with pytest.raises(ValueError, match="links must be"):
        split_links(links, 0.5)


def test_folds_of_the_wrong_form() -> None:
    links = one_to_one(10)
    with pytest.raises(ValueError, match="seed_mask must be bool"):
        split_folds(links, torch.ones(9, dtype=torch.bool))
    with pytest.raises(ValueError, match="no test pair"):
        split_folds(links, torch.ones(10, dtype=torch.bool))


def test_all_links_as_seed_pairs() -> None:
    assert counts(split_links(one_to_one(50), 1.0)) == [45, 5, 0]
    # A component that begins in the validation part and reaches beyond the last link.
    star = torch.tensor([[0] * 30, list(range(30))])
    train, val, test = split_links(star, 1.0, val_ratio=0.0)
    assert train.all()
    assert not val.any()
    assert not test.any()


def test_links_that_only_judge():
    train, val, test = all_test(torch.arange(4).repeat(2, 1))
    assert not train.any()
    assert not val.any()
    assert test.all()
    with pytest.raises(ValueError, match=r"links must be long \[2, L\]"):
        all_test(torch.arange(4))
