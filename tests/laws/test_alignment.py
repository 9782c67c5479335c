"""Laws of Advantage Alignment: β = 0 is naive learning, one round leaves nothing to align, and its gradient is what it says."""

import dataclasses
import itertools

import jax
import numpy as np
import pytest

from interplay.core.trajectory import Batch
from interplay.credit import groups, opponents, returns
from interplay.games.iterated import prisoners_dilemma
from interplay.methods import alignment_games
from interplay.nets.reactive import reactive
from interplay.objectives import gradient
from interplay.play import gathering

DILEMMA = "interplay.games.iterated:prisoners_dilemma(rounds=3)"
SPOKEN = "interplay.lm.tasks.dilemma:dilemma(rounds=3)"
TINY = {"group": 6, "width": 8, "depth": 1, "rate": 1e-2, "demonstrations": 0, "entropy_weight": 0.0}


def learned(build, updates=2):
    """All numbers of a team after some updates."""
    from interplay.run import devices

    state = build.init(devices.starting_key(0))
    for update in range(updates):
        state, _ = build.step(state, devices.update_key(0, update))
    return np.concatenate([np.ravel(leaf) for leaf in jax.tree.leaves(build.team(state)) if hasattr(leaf, "shape")])


# Tables in array games.


@pytest.fixture(scope="module")
def played():
    """Many games of three rounds by tables, and what alignment credits."""
    game, settings = prisoners_dilemma(rounds=3), alignment_games.Settings(game=DILEMMA, batch=4096)
    team = reactive(5, 2, (0, 0), first=0.4)
    gather = gathering.steps(game, settings.batch, 3)
    start, key = jax.random.split(jax.random.key(3))
    trajectory = jax.jit(lambda: gather(team, gather.init(team, start), key)[1])()
    return settings, team, trajectory


def credited(played, **changes):
    settings, _, trajectory = played
    return np.asarray(alignment_games.credit(dataclasses.replace(settings, **changes))(trajectory).advantage)


def test_without_weight_tables_learn_as_naive_ones_do_bit_for_bit(played):
    _, _, trajectory = played
    reward = np.asarray(trajectory.reward, np.float32) / np.float32(5)
    naive = credited(played, alignment=0.0)
    earned = np.stack([reward[0] + 0.9 * (reward[1] + 0.9 * reward[2]), reward[1] + 0.9 * reward[2], reward[2]])
    others = (earned.sum(1, keepdims=True) - earned) / (earned.shape[1] - 1)
    np.testing.assert_allclose(naive, earned - others, atol=1e-4)
    plain = returns.over_others(returns.scaled(returns.discounted(0.9), 1 / 5))(trajectory).advantage
    np.testing.assert_array_equal(naive, plain)
    assert np.abs(credited(played) - naive).max() > 0.1


def test_the_first_round_is_never_aligned(played):
    np.testing.assert_array_equal(credited(played)[0], credited(played, alignment=0.0)[0])
    assert np.abs(credited(played, past="up-to")[0] - credited(played, alignment=0.0)[0]).max() > 0.1


def test_without_a_baseline_the_weight_is_never_negative(played):
    """What keeps the agent from being exploited is the baseline: without it what the other gains is never held against it."""
    naive, aligned = (credited(played, baseline="none", alignment=weight) for weight in (0.0, 1.0))
    assert (naive >= 0).all() and (aligned - naive >= 0).all()
    aligned = credited(played, alignment=1.0) - credited(played, alignment=0.0)
    assert (aligned < -0.01).mean() > 0.1


def test_rewarded_together_both_seats_have_one_advantage(played):
    both = credited(played, rewards="sum", alignment=0.0)
    np.testing.assert_allclose(both[..., 0], both[..., 1], atol=1e-5)
    np.testing.assert_allclose(both[..., 0], credited(played, alignment=0.0).sum(-1), atol=1e-4)


def enumerated(cooperate, weight, gamma=0.9, scale=5.0):
    """The expected aligned gradient of log-odds, summed over all 4³ ways that three rounds can go, by both seats."""
    pay, see = {(0, 0): (3, 3), (0, 1): (0, 5), (1, 0): (5, 0), (1, 1): (1, 1)}, lambda a, b: 1 + 2 * a + b
    ways = []
    for way in itertools.product(pay, repeat=3):
        rows = [(0, 0), *((see(a, b), see(b, a)) for a, b in way[:-1])]
        chance = np.prod(
            [(cooperate[r[i]], 1 - cooperate[r[i]])[c[i]] for r, c in zip(rows, way, strict=True) for i in (0, 1)]
        )
        reward = np.array([pay[both] for both in way]) / scale
        go = np.array([sum(gamma ** (k - t) * reward[k] for k in range(t, 3)) for t in range(3)])
        ways.append((chance, rows, way, go))
    usual = sum(chance * go for chance, _, _, go in ways)
    slope = np.zeros(5)
    for chance, rows, way, go in ways:
        own = go - usual
        for t, i in itertools.product(range(3), (0, 1)):
            past = gamma * sum(gamma ** (t - k) * own[k, i] for k in range(t))
            credit = own[t, i] + weight * past * own[t, 1 - i]
            slope[rows[t][i]] += chance * credit * ((way[t][i] == 0) - cooperate[rows[t][i]]) / 6
    return slope


@pytest.mark.parametrize("weight", [0.0, 2.0])
def test_the_gradient_of_tables_is_that_of_all_ways_a_game_can_go(played, weight):
    settings, team, trajectory = played
    credit = alignment_games.credit(dataclasses.replace(settings, alignment=weight))(trajectory)
    objective = gradient.plain()
    at = lambda logits, batch: objective(dataclasses.replace(team, logits=logits), batch)[0]
    grad = jax.jit(jax.grad(at))
    slope = -np.asarray(grad(team.logits, Batch(dataclasses.replace(trajectory, memory=()), credit)))[0, :, 0]
    # what chance leaves: the spread of the same estimate over sixteen parts of the batch
    whole = Batch(dataclasses.replace(trajectory, memory=()), credit)
    parts = [jax.tree.map(lambda leaf, i=i: leaf[:, i::16], whole) for i in range(16)]
    slopes = [-np.asarray(grad(team.logits, part))[0, :, 0] for part in parts]
    error = np.std(slopes, axis=0, ddof=1) / 4
    truth = enumerated(np.asarray(team.tables()[0, :, 0], float), weight)
    assert (np.abs(slope - truth) < 5 * error + 1e-4).all()
    wrong = enumerated(np.asarray(team.tables()[0, :, 0], float), 2.0 - weight)
    assert (np.abs(slope - wrong) > 5 * error + 1e-4).any()


# Teams that speak.


def spoken(**changes):
    pytest.importorskip("torch")
    from interplay.methods import advantage_alignment

    return advantage_alignment.build(advantage_alignment.Settings(**{"game": SPOKEN, **TINY, **changes}))


def naive_credit(turns):
    """Returns to go over those of the other matches in the same round and seat, one row after the other."""
    rows = range(len(turns.task))
    key = lambda row: (turns.episode[row], turns.agent[row], turns.round[row])
    paid = {key(row): turns.paid[row] / 5.0 for row in rows}
    last = int(turns.round.max())
    earned = np.zeros(len(turns.task))
    for row in rows:
        for round in range(last, int(turns.round[row]) - 1, -1):
            earned[row] = paid[(turns.episode[row], turns.agent[row], round)] + 0.9 * earned[row]
    return groups.standardize(
        earned, (turns.round, turns.agent), center=groups.leave_one_out, scale=groups.no_scale, epsilon=0.0
    )


def test_without_weight_language_teams_learn_as_naive_ones_do_bit_for_bit():
    from interplay.lm.transcript import joined
    from interplay.methods import advantage_alignment, language
    from interplay.objectives.tokens import PolicyLoss, no_ratio, token_total, unclipped

    settings = advantage_alignment.Settings(**{"game": SPOKEN, **TINY})
    loss = PolicyLoss(ratio=no_ratio, clip=unclipped, average=token_total)
    naive = learned(language.taught(settings, naive_credit, loss, chains=joined))
    np.testing.assert_array_equal(learned(spoken(alignment=0.0)), naive)
    assert np.abs(learned(spoken()) - naive).max() > 1e-4


def test_of_a_single_round_there_is_nothing_to_align():
    alone = {"game": "interplay.lm.tasks.dilemma:dilemma(rounds=1)"}
    np.testing.assert_array_equal(learned(spoken(**alone)), learned(spoken(**alone, alignment=0.0)))


def test_by_all_rounds_so_far_alignment_of_a_single_round_is_none_on_average():
    """With w = A and independent moves, E[A B] = 0: what is added to the advantage cancels over matches."""
    pytest.importorskip("torch")
    from interplay.methods import advantage_alignment

    settings = advantage_alignment.Settings(past="up-to")
    mix = advantage_alignment.aligning(settings)
    own = np.array(list(itertools.product([-1.0, 1.0], repeat=2)))[:, :, None]  # every pair of both once
    added = mix(own, opponents.rest(own, axis=1)) - own
    assert np.abs(added).max() > 0.4 and abs(added.mean()) < 1e-12
    np.testing.assert_array_equal(advantage_alignment.together(own)[:, 0], own.sum(1))


def test_messages_and_decisions_of_one_round_get_the_same_credit():
    method = spoken(game="interplay.lm.tasks.bargaining:trust_and_split(rounds=2)", compared="all")
    from interplay.lm.transcript import turns

    game = method.game
    game.load([game.model.fresh(np.random.default_rng(0))])
    drawn = game.tasks(np.random.default_rng(0), 1)
    rows = turns(game.talk(drawn * 5, (0,)), np.zeros(5, int), game.scene.agents)
    worth = game.credit(rows)
    for where in set(zip(rows.episode, rows.agent, rows.round, strict=True)):
        mine = [row for row in range(len(worth)) if (rows.episode[row], rows.agent[row], rows.round[row]) == where]
        assert len(mine) == 2 and worth[mine[0]] == worth[mine[1]]
    assert np.unique(worth).size > 10
