"""What tables of one remembered round earn from each other, exactly, and how far a best response can exploit them.

A table has a row for the first round and one for each joint choice of the round before, own choice first (`games.iterated`).
Two known instances are tit for tat against always defecting, and the frozen agent that somebody learns to exploit. Payoffs are
"agent action action"; all numbers are per round.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

Table = Float[np.ndarray, "row action"]
Payoffs = Float[np.ndarray, "agent action action"]

ALWAYS_COOPERATE = np.array([[1.0, 0.0]] * 5)
ALWAYS_DEFECT = np.array([[0.0, 1.0]] * 5)
TIT_FOR_TAT = np.array([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0], [1.0, 0.0], [0.0, 1.0]])


class Exploited(NamedTuple):
    """What a best response gets, and what that leaves to who is responded to; rules[t] are its choices in round t."""

    responder: float
    agent: float
    rules: Float[np.ndarray, "round row"]


def mirrored(choices: int) -> np.ndarray:
    """The row that the other sees where one sees row s.

    >>> mirrored(2).tolist()
    [0, 1, 3, 2, 4]
    """
    both = np.arange(choices**2).reshape(choices, choices)
    return np.concatenate([[0], 1 + both.T.reshape(-1)])


def joint(own: Table, other: Table) -> Float[np.ndarray, "row action action"]:
    """P(a, b | s) of own and the other's choice, s as one sees it."""
    return own[:, :, None] * other[mirrored(own.shape[1])][:, None, :]


def earned(own: Table, other: Table, payoffs: Payoffs, rounds: int) -> Float[np.ndarray, "2"]:
    """(1 / T) Σ_t E[r_t] of both, by following the chances of every joint choice through the rounds.

    >>> dilemma = np.array([[[3.0, 0.0], [5.0, 1.0]], [[3.0, 5.0], [0.0, 1.0]]])
    >>> earned(TIT_FOR_TAT, ALWAYS_DEFECT, dilemma, 10).tolist()
    [0.9, 1.4]
    """
    chance, total, both = np.eye(len(own))[0], np.zeros(2), joint(own, other)
    for _ in range(rounds):
        chosen = np.einsum("s,sab->ab", chance, both)
        total += np.einsum("ab,iab->i", chosen, payoffs)
        chance = np.concatenate([[0.0], chosen.reshape(-1)])
    return total / rounds


def exploited(agent: Table, payoffs: Payoffs, rounds: int) -> Exploited:
    """The best that anybody can get from a frozen table in so many rounds, which it may count, and what the table gets then.

    Q_t(s, a) = Σ_b π(b | s) (r(a, b) + V_{t+1}(a, b)), backwards from the last round; the responder is agent 0 of `payoffs`,
    and of equal choices takes the first.

    >>> dilemma = np.array([[[3.0, 0.0], [5.0, 1.0]], [[3.0, 5.0], [0.0, 1.0]]])
    >>> found = exploited(TIT_FOR_TAT, dilemma, 10)
    >>> found.responder, found.agent  # cooperate, and defect in the last round
    (3.2, 2.7)
    """
    choices = agent.shape[1]
    seen = agent[mirrored(choices)]
    value, rules = np.zeros((2, 1 + choices**2)), np.zeros((rounds, len(agent)), int)
    for t in reversed(range(rounds)):
        arrived = payoffs + value[:, 1:].reshape(2, choices, choices)
        worth = np.einsum("sb,iab->isa", seen, arrived)
        rules[t] = worth[0].argmax(1)
        value = np.take_along_axis(worth, rules[t][None, :, None], 2)[..., 0]
    return Exploited(float(value[0, 0] / rounds), float(value[1, 0] / rounds), rules)
