"""The exact Markov-game solver on games solved by hand."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from interplay.core.errors import InputError
from interplay.games import coordination
from interplay.games.markov import markov_game, of_coordination
from interplay.measure import markov


@pytest.fixture(autouse=True)
def precise():
    with jax.enable_x64(True):
        yield


def two_states():
    """Two agents, two states. In state 0 both choosing 1 pays 1 and leads to state 1, which pays 2 for ever; else nothing."""
    transition = np.zeros((2, 4, 2))
    transition[0, :3, 0] = 1.0
    transition[0, 3, 1] = 1.0
    transition[1, :, 1] = 1.0
    reward = np.zeros((2, 2, 4))
    reward[:, 0, 3] = 1.0
    reward[:, 1, :] = 2.0
    return markov_game(transition, reward, 0.5, (2, 2), np.array([1.0, 0.0]))


def independent(game, chance):
    """Each agent plays 1 with its chance, wherever it is."""
    rows = [np.where(game.joint[:, agent] == 1, p, 1 - p) for agent, p in enumerate(chance)]
    return jnp.stack([jnp.broadcast_to(row, (game.states, len(row))) for row in rows])


def test_values_of_a_policy():
    game = two_states()
    policy = markov.joint_policy(independent(game, (1.0, 0.5)))
    # V(1) = 2 / (1 − ½) = 4; V(0) = ½ (1 + ½ · 4) + ½ · ½ V(0) = 3/2 + V(0)/4 = 2
    np.testing.assert_allclose(markov.values(game, policy), [[2.0, 4.0], [2.0, 4.0]], atol=1e-12)
    np.testing.assert_allclose(markov.worth(game, policy), [2.0, 2.0], atol=1e-12)
    worth = markov.action_values(game, markov.values(game, policy))
    np.testing.assert_allclose(worth[0], [[1.0, 1.0, 1.0, 3.0], [4.0] * 4], atol=1e-12)


def test_discounted_visits():
    game = two_states()
    visits = markov.occupancy(game, markov.joint_policy(independent(game, (1.0, 1.0))))
    np.testing.assert_allclose(visits, [0.5, 0.5], atol=1e-12)  # ½ (1, 0) + ½ (0, 1)


def test_the_joint_optimum():
    assert float(markov.optimum(two_states())) == pytest.approx(3.0)  # 1 + ½ · 4


def test_a_best_response_counts_on_what_the_others_do():
    game = two_states()
    alone = markov.parent_numbers(game, np.zeros((2, 2)))
    stubborn = independent(
        game, (0.0, 0.0)
    )  # nobody ever chooses 1: an equilibrium, since one alone can change nothing
    assert float(markov.nash_gap(game, stubborn, jnp.asarray(alone))) == pytest.approx(0.0, abs=1e-8)
    half = independent(game, (1.0, 0.5))
    # agent 1 would choose 1 at once and get 3 instead of 2; agent 0 already does its best
    assert float(markov.best_response(game, half, jnp.asarray(alone[1]), 1)) == pytest.approx(3.0)
    assert float(markov.best_response(game, half, jnp.asarray(alone[0]), 0)) == pytest.approx(2.0)
    assert float(markov.nash_gap(game, half, jnp.asarray(alone))) == pytest.approx(1.0)


def test_agents_after_the_one_that_deviates_react_to_it():
    game = two_states()
    graph = np.array([[0.0, 1.0], [0.0, 0.0]])
    follower = independent(game, (0.0, 0.0))
    follower = follower.at[1].set(game.joint[:, 0] == game.joint[:, 1])  # agent 1 does what agent 0 does
    numbers = markov.parent_numbers(game, graph)
    assert float(markov.best_response(game, follower, jnp.asarray(numbers[0]), 0)) == pytest.approx(3.0)
    assert numbers.tolist() == [[0, 0, 0, 0], [0, 0, 1, 1]]


@pytest.mark.parametrize("agents", [2, 3])
def test_the_optimum_of_the_coordination_game_is_its_own(agents):
    game = coordination.coordination(agents)
    assert float(markov.optimum(of_coordination(game, 0.95))) == pytest.approx(
        coordination.optimum(game, 0.95), abs=1e-6
    )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"actions": (2, 3)}, "give 6"),
        ({"discount": 1.0}, "not including, 1"),
        ({"transition": np.full((1, 4, 1), 0.5)}, "sum to one"),
        ({"reward": np.zeros((1, 1, 4))}, "give one of"),
    ],
)
def test_what_is_no_markov_game_is_refused(change, message):
    parts = {"transition": np.ones((1, 4, 1)), "reward": np.zeros((2, 1, 4)), "discount": 0.9, "actions": (2, 2)}
    with pytest.raises(InputError, match=message):
        markov_game(**{**parts, **change})
