"""Credit along a dialogue, whose tokens the agent wrote only in part: what is between its turns is bridged, not learned.

Arrays are "*rows token" with time last: one row per sequence, padded, or rows that hold several sequences one after the
other, told apart by `sequence` labels. `mask` is True on the agent's own tokens and False on observations and padding.
Token PPO and Turn-PPO get their advantages here, with a reward per turn on the token that ended it. Arrays are numpy's or
JAX's.
"""

from typing import Any

from jaxtyping import Float, Int, Shaped

from interplay.credit.recursion import accumulate, generalized_advantage
from interplay.credit.segments import distinct, mean_within, namespace

Tokens = Float[Any, "*rows token"]
Mask = Shaped[Any, "*rows token"]
Labels = Int[Any, "*rows token"]


def sequences(mask: Mask, sequence: Shaped[Any, "*rows token"] | None = None) -> Labels:
    """One number per sequence, from 0 up: that of the row, or of the row and the label in `sequence`.

    >>> import numpy as np
    >>> sequences(np.ones((2, 2), bool)).tolist()
    [[0, 0], [1, 1]]
    """
    xp = namespace(mask)
    row = xp.broadcast_to(xp.arange(mask[..., 0].size).reshape(*mask.shape[:-1], 1), mask.shape)
    return row if sequence is None else distinct(row, sequence)


def turns(mask: Mask, sequence: Shaped[Any, "*rows token"] | None = None) -> Labels:
    """One number per turn, a run of the agent's own tokens; what is not the agent's has that of the turn before it.

    >>> import numpy as np
    >>> turns(np.array([[1, 1, 0, 1], [0, 1, 1, 0]], bool)).tolist()
    [[0, 0, 0, 1], [1, 2, 2, 2]]
    """
    xp = namespace(mask)
    own, label = mask != 0, sequences(mask, sequence)
    opens = xp.concatenate([own[..., :1], own[..., 1:] & ~(own[..., :-1] & _stays(label))], axis=-1)
    count = xp.cumsum(opens.reshape(-1)).reshape(mask.shape)
    return xp.clip(count - 1, 0, None).astype(label.dtype)


def gae(
    reward: Tokens,
    value: Tokens,
    mask: Mask,
    sequence: Shaped[Any, "*rows token"] | None = None,
    *,
    discount: float = 1.0,
    trace: float = 1.0,
    bootstrap: Tokens | float = 0.0,
) -> tuple[Tokens, Tokens]:
    """Advantages and targets (A + V) of the agent's own tokens, zero elsewhere, as if the other tokens were not there.

    δ_u = r_u + γ V_next − V_u and A_u = δ_u + γ λ A_next, where next is the sequence's next token of the agent's own: the
    last token of a turn is bootstrapped from the first of the next turn. After a sequence's last own token V_next is 0, or
    the `bootstrap` at the sequence's last token where it was cut short. γ counts the agent's tokens only, and rewards on
    tokens that are not the agent's do not count (`at_turn_ends` puts them where they do).

        >>> import numpy as np
        >>> reward, value = np.array([0.0, 0.0, 9.0, 1.0]), np.array([0.5, 0.5, 7.0, 0.25])
        >>> gae(reward, value, np.array([1, 1, 0, 1], bool), trace=0.0)[0].tolist()
        [0.0, -0.25, 0.0, 0.75]

    Source: Schulman et al. (2016), eq. 16; Wang and Ammanabrolu, "A practitioner's guide to multi-turn agentic
    reinforcement learning" (2025).
    """
    xp = namespace(reward, value)
    own, none = mask != 0, xp.zeros_like(value)
    stays = _stays(sequences(mask, sequence))
    inside = xp.concatenate([stays, xp.zeros_like(own[..., :1])], axis=-1)
    after = xp.where(inside, none, none + bootstrap)
    worth = xp.where(own, value, none)
    first = accumulate(worth + xp.where(own, none, after), 1.0 * (inside & ~own) + none, axis=-1)
    following = discount * (xp.where(inside, xp.roll(first, -1, axis=-1), none) + after)
    passing = xp.where(own, discount * trace + none, 1.0 + none) * inside
    earned, ahead = xp.where(own, reward, none), xp.where(own, following, none)
    earned, known, ahead, passing = (xp.moveaxis(rows, -1, 0) for rows in (earned, worth, ahead, passing))
    carried = generalized_advantage(earned, known, ahead, passing, 1.0)  # γ λ is in `passing`, 1 across observations
    advantage = xp.where(own, xp.moveaxis(carried, 0, -1), none)
    return advantage, advantage + worth


def at_turn_ends(reward: Float[Any, "turn"], turn: Labels, mask: Mask) -> Tokens:
    """The reward of every turn on its last token, zero elsewhere; `reward` is indexed by the numbers of `turns`.

    >>> import numpy as np
    >>> mask = np.array([1, 1, 0, 1], bool)
    >>> at_turn_ends(np.array([2.0, 3.0]), turns(mask), mask).tolist()
    [0.0, 2.0, 0.0, 3.0]
    """
    xp = namespace(reward, turn)
    own = mask != 0
    goes_on = own[..., 1:] & (turn[..., 1:] == turn[..., :-1])
    last = own & ~xp.concatenate([goes_on, xp.zeros_like(own[..., :1])], axis=-1)
    return xp.where(last, reward[turn], 0 * reward[turn])


def penalized(reward: Tokens, log_prob: Tokens, reference: Tokens, mask: Mask, coefficient: float) -> Tokens:
    """r_u − β (log π(u) − log π_ref(u)) on the agent's own tokens: the KL divergence from a reference in the reward.

    Source: Ouyang et al., "Training language models to follow instructions with human feedback" (2022), eq. 2.
    """
    return namespace(reward).where(mask != 0, reward - coefficient * (log_prob - reference), reward)


def turn_mean(advantage: Tokens, turn: Labels, mask: Mask) -> Tokens:
    """The mean advantage of each turn on all of its tokens: the turn as one action, clipped as one."""
    own = 1.0 * (mask != 0) + 0 * advantage
    return own * mean_within(advantage, turn, own)


def _stays(label: Labels):
    """Whether token u + 1 belongs to the sequence of token u, for all u but the last."""
    return label[..., 1:] == label[..., :-1]
