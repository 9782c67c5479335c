"""Laws of rules that share a walk: side by side is one by one; payoffs' scale, and what takes it out; late averages."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from interplay.core.errors import InputError
from interplay.games import tree as trees
from interplay.measure import exploit
from interplay.methods import tables
from interplay.update import matching
from interplay.update.matching import Vad

ITERATIONS = 40


@pytest.fixture(autouse=True)
def precise():
    with jax.enable_x64(True):
        yield


@pytest.fixture(scope="module")
def kuhn():
    return trees.make("openspiel:kuhn_poker")


def average(tree, rule, lanes=(), iterations=ITERATIONS):
    solver = tables.solver(rule, lanes=lanes)
    return solver.average(tree, solver.advance(tree, solver.init(tree), iterations))


def test_rules_side_by_side_are_the_rules_one_by_one(kuhn):
    volatile = Vad(volatility=jnp.array([1.0, 0.0]), warm=jnp.array([500.0, 10.0]), shared=jnp.array([0.0, 1.0]))
    parts = [matching.cfr(), matching.dcfr(positive=jnp.array([1.0, 1.5])), matching.vad_cfr(volatile)]
    together = average(kuhn, matching.side_by_side(parts, [1, 2, 2]), (5,))
    alone = {
        0: matching.cfr(),
        2: matching.dcfr(positive=1.5),
        4: matching.vad_cfr(Vad(volatility=0.0, warm=10.0, shared=1.0)),
    }
    for lane, rule in alone.items():
        np.testing.assert_allclose(together[..., lane], average(kuhn, rule), atol=1e-12)
    gaps = exploit.exploitability(kuhn, together)
    assert gaps.shape == (5,)
    np.testing.assert_allclose(gaps[0], exploit.exploitability(kuhn, together[..., 0]))


def test_payoffs_ten_times_as_large_are_another_game_to_vad_cfr_unless_regrets_are_normalized(kuhn):
    rule, dear = matching.vad_cfr(Vad(warm=10.0)), trees.paying(kuhn, 10 * jnp.asarray(kuhn.payoffs))
    assert tables.span(kuhn) == 4.0 and tables.span(dear) == 40.0
    plain, scaled = average(kuhn, rule), average(dear, rule)
    assert float(jnp.abs(plain - scaled).max()) > 1e-3
    np.testing.assert_allclose(scaled, average(kuhn, matching.rescaled(rule, 10.0)), atol=1e-10)
    normal = lambda tree: average(tree, matching.rescaled(rule, 1 / tables.span(tree)))
    np.testing.assert_allclose(normal(kuhn), normal(dear), atol=1e-10)


def test_rules_that_only_add_and_discount_do_not_mind_the_scale(kuhn):
    for rule in (matching.dcfr(), matching.pcfr_plus()):
        np.testing.assert_allclose(average(kuhn, rule), average(kuhn, matching.rescaled(rule, 0.1)), atol=1e-10)


def test_a_late_average_is_that_of_what_was_played_since(kuhn):
    solver = tables.solver(matching.late(matching.cfr(), 2.0))
    state, played = solver.init(kuhn), []
    for _ in range(4):
        before = state.reaches
        state = solver.advance(kuhn, state, 1)
        played.append(before)
    for player in range(2):
        np.testing.assert_allclose(state.sums[player], played[2][player] + played[3][player], atol=1e-12)


@pytest.mark.parametrize("factor", [0.0, -1.0, np.inf])
def test_factors_that_make_no_sense(factor):
    with pytest.raises(InputError, match="give a positive number"):
        matching.rescaled(matching.cfr(), factor)
