import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyg_ibmea.datasets import _synthetic_world as world


def test_streams_differ_by_seed_and_purpose_only():
    first = world.stream(3, "a", "b").random(5)
    np.testing.assert_array_equal(first, world.stream(3, "a", "b").random(5))
    for other in (world.stream(4, "a", "b"), world.stream(3, "a"), world.stream(3)):
        assert np.abs(first - other.random(5)).min() > 0


def test_draws_follow_the_weights():
    weights = np.array([1.0, 0.0, 5.0, 2.0])
    drawn = world.draw(world.stream(0), weights, 80_000)
    share = np.bincount(drawn, minlength=4) / 80_000
    np.testing.assert_allclose(share, weights / 8, atol=0.01)
    assert share[1] == 0


def test_skewed_weights_fall_by_the_power_of_the_rank():
    weights = world.skewed(100, exponent=0.5)
    assert weights.sum() == pytest.approx(1)
    assert weights[0] / weights[24] == pytest.approx(5)


@given(st.integers(4, 30), st.integers(1, 5), st.integers(0, 60), st.integers(0, 99))
def test_triples_are_distinct_and_have_no_loops(
    num_entities, num_relations, size, seed
):
    size = min(size, num_entities * (num_entities - 1) // 4)
    popularity = world.skewed(num_entities, exponent=0.5)
    triples = world.draw_triples(world.stream(seed), popularity, num_relations, size)
    assert len({tuple(triple) for triple in triples.tolist()}) == size
    assert (triples[:, 0] != triples[:, 2]).all()
    assert triples[:, 1].max(initial=0) < num_relations
    assert triples[:, [0, 2]].max(initial=0) < num_entities


@given(st.integers(4, 20), st.floats(0, 1), st.integers(0, 99))
def test_rewiring_moves_only_tails_to_legal_places(num_entities, fraction, seed):
    popularity = world.skewed(num_entities, exponent=0.5)
    triples = world.draw_triples(world.stream(seed), popularity, 3, num_entities)
    before = {tuple(triple) for triple in triples.tolist()}
    rewired = world.rewire(world.stream(seed, "x"), triples, popularity, fraction)
    after = [tuple(triple) for triple in rewired.tolist()]
    assert len(set(after)) == len(after)
    assert all(head != tail for head, _, tail in after)
    assert {t[:2] for t in after} <= {t[:2] for t in before}
    # At most the chosen ones are new; without a fraction nothing moves.
    assert len(set(after) - before) <= round(fraction * len(before))
    assert {tuple(triple) for triple in triples.tolist()} == before


def test_replaced_columns_are_other_columns():
    entries = np.stack([np.arange(1000), np.arange(1000) % 7], axis=1)
    replaced = world.replace_columns(world.stream(0), entries, 7, fraction=0.4)
    np.testing.assert_array_equal(replaced[:, 0], entries[:, 0])
    assert (replaced[:, 1] != entries[:, 1]).sum() == 400
    assert replaced[:, 1].min() >= 0
    assert replaced[:, 1].max() < 7
    alone = np.zeros((5, 2), dtype=np.int64)
    np.testing.assert_array_equal(
        world.replace_columns(world.stream(0), alone, 1, fraction=1.0), alone
    )


def test_scrambling_keeps_column_totals_and_bag_sizes():
    rng = np.random.default_rng(0)
    entries = np.stack([rng.integers(0, 50, 400), rng.integers(0, 9, 400)], axis=1)
    scrambled = world.scramble(world.stream(0), entries, 50)
    for column in (0, 1):
        before, after = (
            np.bincount(rows[:, column], minlength=50) for rows in (entries, scrambled)
        )
        assert sorted(before) == sorted(after)
        assert np.array_equal(before, after) == (column == 1)


def test_distinct_keeps_the_first_in_order():
    rows = np.array([[2, 1], [0, 0], [2, 1], [1, 5], [0, 0]])
    assert world.distinct(rows).tolist() == [[2, 1], [0, 0], [1, 5]]
