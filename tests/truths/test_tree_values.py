"""Game values that are known in closed form, on our own trees, from strategies written down and not searched for."""

import jax.numpy as jnp
import numpy as np
import pytest

from interplay.games import tree
from interplay.measure import exploit
from interplay.play import walk


def kuhn_equilibrium(alpha):
    """How often to bet; Kuhn (1950) gives one equilibrium for every α in [0, 1/3]."""
    return {
        "card 0: you open": alpha, "card 1: you open": 0.0, "card 2: you open": 3 * alpha,
        "card 0: pass, bet": 0.0, "card 1: pass, bet": alpha + 1 / 3, "card 2: pass, bet": 1.0,
        "card 0: pass": 1 / 3, "card 1: pass": 0.0, "card 2: pass": 1.0,
        "card 0: bet": 0.0, "card 1: bet": 1 / 3, "card 2: bet": 1.0,
    }  # fmt: skip


def values(built, strategy):
    return np.asarray(walk.expected(built, jnp.asarray(strategy)))


@pytest.mark.parametrize("alpha", [0.0, 0.2, 1 / 3])
def test_kuhn_is_worth_minus_one_eighteenth(alpha):
    built = tree.make("kuhn")
    bet = np.array([kuhn_equilibrium(alpha)[label] for label in built.labels])
    strategy = np.stack([1 - bet, bet], 1)
    np.testing.assert_allclose(values(built, strategy), [-1 / 18, 1 / 18], atol=1e-6)
    assert abs(exploit.exact(built, strategy)) < 1e-9
    worse = np.stack([1 - bet, bet], 1)
    worse[built.labels.index("card 1: bet")] = [0.0, 1.0]
    assert exploit.exact(built, worse) > 0.01, "a caller who never folds must be exploitable"


@pytest.mark.parametrize("name", ["matching-pennies", "rock-paper-scissors", "matching-pennies(horizon=2)"])
def test_even_games_are_worth_nothing_when_played_at_random(name):
    built = tree.make(name)
    uniform = np.asarray(walk.uniform(built))
    assert np.allclose(values(built, uniform), 0.0, atol=1e-6) and abs(exploit.exact(built, uniform)) < 1e-6


def test_to_confess_is_best_whatever_the_other_does():
    built = tree.make("prisoners-dilemma")
    defect = np.tile([0.0, 1.0], (2, 1))
    assert np.allclose(values(built, defect), 1.0) and exploit.exact(built, defect) == pytest.approx(0.0)
    assert exploit.exact(built, defect[:, ::-1]) == pytest.approx(5.0)  # from 5 to 10, alone


def test_random_bids_in_goofspiel_are_even_and_exploitable():
    """By symmetry the game is worth 0; a player who knows that the other bids at random wins more than it loses."""
    built = tree.make("goofspiel")
    uniform = np.asarray(walk.uniform(built))
    assert np.allclose(values(built, uniform), 0.0, atol=1e-6) and exploit.exact(built, uniform) > 0.3
