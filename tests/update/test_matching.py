"""Regret minimizers: what reduces to what, and the exploitability that each is known to reach."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from interplay.games import tree as trees
from interplay.measure import exploit
from interplay.methods import tables
from interplay.update import matching
from interplay.update.matching import RULES, Vad

KUHN3 = {  # exploitability on three-player Kuhn poker after 1,000 iterations in turns, as measured by an independent program
    "cfr": 1.3e-3,
    "cfr-plus": 1.1e-5,
    "lcfr": 5.0e-5,
    "dcfr": 7.4e-6,
    "pcfr-plus": 2.8e-6,
    "dpcfr-plus": 2.0e-10,
}
LEDUC = {"cfr": 1.2e-2, "cfr-plus": 2.4e-4, "lcfr": 5.8e-3, "dcfr": 2.0e-4, "pcfr-plus": 7.1e-4, "dpcfr-plus": 9.0e-4}


@pytest.fixture(autouse=True)
def precise():
    with jax.enable_x64(True):
        yield


@pytest.fixture(scope="module")
def kuhn():
    return trees.make("openspiel:kuhn_poker")


def solved(tree, rule, iterations, **how):
    solver = tables.solver(rule, **how)
    return solver, solver.advance(tree, solver.init(tree), iterations)


def same(tree, one, other, iterations=30, tolerance=1e-12):
    pairs = zip(*(jax.tree.leaves(solved(tree, rule, iterations)[1].rows) for rule in (one, other)), strict=True)
    for a, b in pairs:
        np.testing.assert_allclose(a, b, atol=tolerance)


def test_a_prediction_of_nothing_makes_pcfr_plus_play_as_cfr_plus(kuhn):
    same(kuhn, matching.pcfr_plus(prediction=0.0), matching.cfr_plus())


def test_lcfr_is_dcfr_with_all_exponents_one(kuhn):
    same(kuhn, matching.lcfr(), matching.dcfr(1.0, 1.0, 1.0))
    total, regret = jnp.array([[2.0, -3.0]]), jnp.array([[1.0, 1.0]])
    memory = matching.lcfr().accumulate(matching.Memory(total, regret), regret, 4.0)
    np.testing.assert_allclose(memory.total, total * 3 / 4 + regret)


def test_vad_cfr_without_its_parts_is_dcfr_that_counts_from_one(kuhn):
    bare = matching.vad_cfr(Vad(1.0, 0.0, 0.0, 1.0, 0.0, -jnp.inf, plain_average=True))
    classical = matching.dcfr(1.5, -0.1, 2.0)
    shifted = classical._replace(accumulate=lambda memory, regret, t: classical.accumulate(memory, regret, t + 1))
    same(kuhn, bare, shifted)
    averages = []
    for rule in (bare, shifted):
        solver, state = solved(kuhn, rule, 30)
        averages.append(solver.average(kuhn, state))
    np.testing.assert_allclose(*averages, atol=1e-12)


def test_regret_matching_is_in_proportion_and_even_without_regret():
    legal = jnp.array([[True, True, False]])
    np.testing.assert_allclose(matching.matched(jnp.array([[3.0, 1.0, 9.0]]), legal), [[0.75, 0.25, 0.0]])
    np.testing.assert_allclose(matching.matched(jnp.array([[-3.0, 0.0, 9.0]]), legal), [[0.5, 0.5, 0.0]])


def test_before_averaging_starts_the_present_strategy_stands_in(kuhn):
    solver, state = solved(kuhn, matching.vad_cfr(), 20)
    np.testing.assert_allclose(solver.average(kuhn, state), jnp.concatenate(state.rows))


def test_the_first_iteration_of_cfr_is_the_regret_of_playing_evenly(kuhn):
    """By hand: with a jack, betting first against an even opponent loses half a chip, and passing costs less."""
    solver = tables.solver(matching.cfr())
    regret = tables.regrets(kuhn, solver.init(kuhn).reaches, solver.init(kuhn).rows[0], 0)
    np.testing.assert_allclose((regret * 0.5).sum(1), 0.0, atol=1e-12)  # evenly weighed they cancel
    assert float(jnp.abs(regret).max()) > 0.05


@pytest.mark.parametrize(
    ("rule", "alternating"), [*((rule, True) for rule in RULES), ("cfr", False), ("vad-cfr", False)]
)
def test_every_rule_gets_close_to_equilibrium(kuhn, rule, alternating):
    solver, state = solved(kuhn, RULES[rule](), 600, alternating=alternating)
    assert exploit.exact(kuhn, solver.average(kuhn, state)) < 0.02


@pytest.mark.slow
@pytest.mark.parametrize(
    ("game", "known", "most"), [("kuhn_poker(players=3)", KUHN3, 1e-12), ("leduc_poker", LEDUC, 5e-5)]
)
def test_all_rules_reach_what_they_are_known_to_reach(game, known, most):
    """In turns, 1,000 iterations, on OpenSpiel's own tree: baselines within a factor of two, VAD-CFR below `most`."""
    tree = trees.make(f"openspiel:{game}")
    rules = [*(RULES[name]() for name in known), matching.vad_cfr()]
    solver, state = solved(tree, matching.side_by_side(rules, [1] * len(rules)), 1000, lanes=(len(rules),))
    *gaps, last = np.asarray(exploit.exploitability(tree, solver.average(tree, state)))
    for (name, wanted), gap in zip(known.items(), gaps, strict=True):
        assert wanted / 2 < gap < wanted * 2, name
    assert last < most
