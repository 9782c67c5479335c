"""A critic beside a language model: what every token of an agent's own is worth, and how it learns that.

The critic is a small decoder of its own over the same tokens, with one number read where the policy reads the next token's
scores. Advantages are those of `credit.turns.gae`: tokens of an agent's own follow one another, what it only read is bridged.
Token PPO and ST-PPO learn with it.

Source: Schulman et al., "High-dimensional continuous control using generalized advantage estimation" (2016).
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from interplay.credit import groups
from interplay.credit.turns import at_turn_ends, gae
from interplay.lm.model import Batch, Trainable
from interplay.lm.tiny import Decoder, Size, Tiny
from interplay.lm.together import ALONE, Together
from interplay.lm.update import Row, costs, packed, parts

Own = Float[np.ndarray, "own"]


class Valued(Decoder):
    """A decoder that also says what it expects to earn from here."""

    def __init__(self, size: Size, tokens: int):
        super().__init__(size, tokens)
        self.worth = nn.Linear(size.width, 1, bias=False)


class Critic(Tiny):
    """A population of critics; members are loaded, and their gradients kept, as those of `Tiny`."""

    kind = Valued

    def value(self, member: int, batch: Batch) -> Float[Tensor, "own"]:
        """V before every own token, with gradients."""
        model = self.members[member]
        hidden = model(torch.from_numpy(batch.tokens)).reshape(-1, self.size.width)
        return model.worth(hidden[torch.from_numpy(batch.place)])[:, 0]  # type: ignore[operator]


class Lesson(NamedTuple):
    """A row and what is known of its own tokens: A, V + A, V and log π of those who played."""

    row: Row
    advantage: Own
    target: Own
    value: Own
    log_prob: Own


class Judge(NamedTuple):
    """How advantages are made: γ and λ per own token; `whiten` makes them of mean 0 and deviation 1 over all rows."""

    discount: float = 1.0
    trace: float = 0.95
    whiten: bool = True


def judged(
    policy: Trainable, critic: Critic, seat: int, rows: Sequence[Row], judge: Judge, among: Together = ALONE
) -> tuple[list[Lesson], dict[str, float]]:
    """Lessons of some rows by the policy and the critic that are loaded, rewards standing in the place of advantages.

    The policy loaded should be the one that played. A row's rewards are those of its turns, on their last tokens. What is
    over all rows is over those of all who are `among`.
    """
    if not among.count(len(rows)):
        return [], {}
    reward, value, log_prob = looked(policy, critic, seat, rows)
    size = [len(one) for one in value]
    sequence = np.repeat(np.arange(len(rows)), size)
    joined = lambda parts: np.concatenate([np.zeros(0), *parts])
    mask, worth = np.ones(len(sequence), bool), joined(value)
    advantage, target = gae(joined(reward), worth, mask, sequence, discount=judge.discount, trace=judge.trace)
    told = _told(among.gathered(worth), among.gathered(target))
    if judge.whiten:
        whole = among.gathered(advantage)
        whole = groups.standardize(whole, np.zeros(len(whole), np.int64), scale=groups.population)
        advantage = whole[among.own(len(advantage))]
    split = lambda values: np.split(values, np.cumsum(size)[:-1])
    return [Lesson(*one) for one in zip(rows, split(advantage), split(target), value, log_prob, strict=True)], told


def _told(worth: np.ndarray, target: np.ndarray) -> dict[str, float]:
    spread = max(float(np.var(target)), 1e-8)
    return {"value": float(worth.mean()), "explained_variance": 1 - float(np.var(target - worth)) / spread}


@torch.no_grad()
def looked(policy: Trainable, critic: Critic, seat: int, rows: Sequence[Row]) -> tuple[list[Own], list[Own], list[Own]]:
    """For every row the reward, V and log π of its own tokens."""
    found: list[tuple] = [()] * len(rows)
    for part in parts(rows, range(len(rows)), costs(policy)):
        batch, known = packed([rows[index] for index in part], policy.codec.size)
        value, log_prob = critic.value(seat, batch).numpy(), policy.score(seat, batch)[0].numpy()
        reward = known.advantage * at_turn_ends(np.ones(int(known.turn.max()) + 1), known.turn, known.mask)
        for place, index in enumerate(part):
            mine = known.sequence == place
            found[index] = (reward[mine], value[mine].astype(float), log_prob[mine].astype(float))
    reward, value, log_prob = ([one[field] for one in found] for field in range(3))
    return reward, value, log_prob


def value_gradient(critic: Critic, seat: int, lessons: Sequence[Lesson], clip: float, among: Together = ALONE) -> float:
    """Make the critic's gradient, which should be zero, that of the mean over own tokens of
    ½ max((V − G)², (V_old + clip(V − V_old) − G)²).

    G is the target A + V_old, and a batch, that of all who are `among`, moves V by no more than `clip`. Returns the loss.
    """
    total, loss, slope = among.count(sum(len(lesson.value) for lesson in lessons)), 0.0, critic.slope(seat)
    for part in parts([lesson.row for lesson in lessons], range(len(lessons))):
        batch, _ = packed([lessons[index].row for index in part], critic.codec.size)
        value = critic.value(seat, batch)
        join = lambda field: torch.tensor(np.concatenate([getattr(lessons[i], field) for i in part]), dtype=value.dtype)  # noqa: B023
        target, old = join("target"), join("value")
        near = old + (value - old).clamp(-clip, clip)
        error = torch.maximum((value - target).square(), (near - target).square())
        summed = 0.5 * error.sum() / total
        summed.backward()
        loss += float(summed.detach())
    slope.copy_(among.total(slope))
    return among.added(loss)[0]
