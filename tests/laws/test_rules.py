"""Rules written as text are the rules of `update.matching` and `update.meta`, compiled or interpreted."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from interplay.games import tree as trees
from interplay.measure import exploit
from interplay.methods import hosted, tables
from interplay.text import mixtures, rules
from interplay.update import meta
from interplay.update.matching import RULES, Vad, vad_cfr

ITERATIONS = 12


@pytest.fixture(autouse=True)
def precise():
    with jax.enable_x64(True):
        yield


@pytest.fixture(scope="module")
def kuhn():
    return trees.make("kuhn")


def play(rule, regrets):
    """Scores and weights of a rule that is given these regrets, one after the other."""

    @jax.jit
    def step(memory, regret, t):
        memory = rule.accumulate(memory, regret, t)
        return (
            memory,
            jnp.maximum(rule.strategy(memory, t), 0),
            jnp.broadcast_to(rule.weigh(memory, t), (len(regret), 1)),
        )

    memory, found = rule.begin(jnp.full(regrets[0].shape, 1 / regrets[0].shape[1])), []
    for t, regret in enumerate(regrets, 1):
        memory, scores, weight = step(memory, regret, float(t))
        found.append((np.asarray(scores), np.asarray(weight)))
    return found


@pytest.mark.parametrize("name", RULES)
def test_a_text_is_the_rule_of_its_name(name):
    formulas, rng = rules.read(rules.SEEDS[name]), np.random.default_rng(0)
    regrets = rng.normal(0, 2, (ITERATIONS, 5, 3))
    written, coded = play(rules.rule(formulas), regrets), play(RULES[name](), regrets)
    for one, other in zip(written, coded, strict=True):
        for a, b in zip(one, other, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-12)
    advance = rules.stepper(formulas)(np.ones((5, 3), bool))
    for t, (scores, weight) in enumerate(coded, 1):
        found, counted = advance(regrets[t - 1], t)
        np.testing.assert_allclose(np.maximum(found, 0), scores, rtol=1e-12, atol=1e-12)
        np.testing.assert_allclose(np.broadcast_to(counted, (5, 1)), weight, rtol=1e-12)


def test_the_average_of_vad_cfr_begins_where_it_says():
    text = rules.SEEDS["vad-cfr"].replace("t > 500", "t > 4")
    regrets = np.random.default_rng(1).normal(0, 2, (ITERATIONS, 5, 3))
    written, coded = play(rules.rule(rules.read(text)), regrets), play(vad_cfr(Vad(warm=4.0)), regrets)
    for (_, a), (_, b) in zip(written, coded, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12)
    assert written[3][1].max() == 0 < written[4][1].min()


def test_rules_on_the_host_are_those_that_are_compiled(kuhn):
    texts = [rules.SEEDS[name] for name in ("cfr-plus", "dcfr", "pcfr-plus", "cfr-plus")]
    texts.append("accumulate = max(R + r, 0)\nstrategy = R + 0.1 * sigma\nweigh = t\n")
    formulas = [rules.read(text) for text in texts]
    side = hosted.prepared(kuhn, 3)  # fewer lanes than rules
    found = hosted.exploitabilities(side, [rules.stepper(each) for each in formulas], (5, 40))
    np.testing.assert_array_equal(found[0], found[3])  # the lane does not matter
    solver = tables.solver(rules.rule(formulas[4]))
    state = solver.advance(kuhn, solver.init(kuhn), 40)
    assert found[4, 1] == pytest.approx(float(exploit.exploitability(kuhn, solver.average(kuhn, state))), rel=1e-9)


def test_a_rule_that_never_averages_or_breaks_down_gains_nothing(kuhn):
    slow = "accumulate = max(R + r, 0)\nstrategy = R\nweigh = where(t > 6, 1, 0)\n"
    broken = "accumulate = (R + r) * 2 ^ t * 2 ^ t * 2 ^ t * 2 ^ t * 1e300\nstrategy = R\nweigh = 1\n"
    negative = "accumulate = R + r\nstrategy = R\nweigh = -1\n"
    steppers = [rules.stepper(rules.read(text)) for text in (slow, broken, negative)]
    found = hosted.exploitabilities(hosted.prepared(kuhn, 3), steppers, (6, 12))
    uniform = float(exploit.exploitability(kuhn, tables.walk.uniform(kuhn)))
    assert found[0, 0] == pytest.approx(uniform)
    assert found[0, 1] < uniform
    assert np.isnan(found[1:, 1]).all()


def hybrid(question, iterations, call, payoffs, count):
    along = min(1.0, call / 75)
    if question == "train":
        settings = meta.Hybrid(0.3 - 0.25 * along, 0.5 - 0.49 * along, 0.05 - 0.049 * along, 0.5)
        return meta.hybrid(payoffs, count, iterations, settings, average=True)
    return meta.hybrid(payoffs, count, iterations, meta.Hybrid(0.01, 0.001, 0.0, 0.2), average=False)


def test_the_text_of_shor_is_its_hybrid():
    count, payoffs = jnp.array([3, 3]), np.zeros((2, 4, 4))
    payoffs[0, :3, :3] = np.random.default_rng(0).normal(size=(3, 3))
    payoffs[1] = -payoffs[0]
    written = mixtures.solver(rules.read(mixtures.SEEDS["shor"], mixtures.SLOTS, mixtures.LEAVES), 40)
    for question, solve in (("train", written.train), ("evaluate", written.evaluate)):
        expected = hybrid(question, 40, 20, jnp.asarray(payoffs), count)
        np.testing.assert_allclose(solve(jnp.asarray(payoffs), count, 20), expected, atol=1e-9)


def test_the_text_of_uniform_is_uniform():
    written = mixtures.solver(rules.read(mixtures.SEEDS["uniform"], mixtures.SLOTS, mixtures.LEAVES), 5)
    payoffs = jnp.asarray(np.random.default_rng(0).normal(size=(2, 3, 3)))
    found = written.train(payoffs, jnp.array([2, 2]), 1)
    np.testing.assert_allclose(found, meta.uniform(payoffs, jnp.array([2, 2]), jnp.array(1)))


def test_a_rule_whose_regrets_are_one_number_runs(kuhn):
    text = "accumulate = t\nstrategy = rowmax(R) + rowmean(r) + sigma\nweigh = pool(R)\n"
    formulas = rules.read(text)
    regrets = np.random.default_rng(2).normal(size=(3, 4, 2))
    advance = rules.stepper(formulas)(np.ones((4, 2), bool))
    for t, (scores, weight) in enumerate(play(rules.rule(formulas), regrets), 1):
        found, counted = advance(regrets[t - 1], t)
        np.testing.assert_allclose(np.maximum(found, 0), scores, rtol=1e-12)
        np.testing.assert_allclose(np.broadcast_to(counted, (4, 1)), weight, rtol=1e-12)
