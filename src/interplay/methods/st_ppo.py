"""ST-PPO: token PPO for dialogues, with a ratio for each turn, and smaller steps where the clip throws much away.

An agent's own tokens y are credited one by one (GAE by a critic); what it only read is bridged. Over the tokens of turn k

    w_k = exp(mean over the turn of log π(y) − log π_old(y))
    g_clip = −∇ mean over sequences of the mean over own tokens of min(w_k A, clip(w_k, 1 − ε, 1 + ε) A)
    C = g − g_clip,     step ∝ g_clip / max(1, ‖C‖ / c)

g is the gradient without the clip and c what ‖C‖ usually is: the median of the first ten that were not zero. `turn-ppo`
leaves steps as they are, `s-ppo` has a ratio for each token, `ppo` both. The published factor is 1 / ‖C‖; its guard against
nothing being clipped is not published, so `guard=literal` leaves such steps alone.

Law: on the policy's own dialogues C is zero and all four have the same surrogate; turns of one token make Turn-PPO PPO.

Source: "ST-PPO: Stabilized Off-Policy PPO for Multi-Turn Agents Training" (2025), lemmas 4.1 and 4.2.
"""

import dataclasses

from interplay.core.errors import InputError
from interplay.core.method import Method
from interplay.core.names import chosen
from interplay.lm.learner import Learner
from interplay.methods.language import LanguageSettings, risen, wiring
from interplay.objectives.tokens import PolicyLoss, sequence, sequence_total, symmetric, token, turn

RATIOS = {"token": token, "turn": turn, "sequence": sequence}


@dataclasses.dataclass(frozen=True)
class Settings(LanguageSettings):
    """ST-PPO's settings."""

    game: str = "k-hop"
    """task to speak about, as in `interplay list games`, or MODULE:NAME of a scene of your own"""
    tasks: int = 64
    """different tasks per update"""
    group: int = 1
    """attempts at each task"""
    rate: float = 5e-4
    """Adam's learning rate"""
    passes: int = 2
    """times that an update goes through its dialogues"""
    minibatches: int = 2
    """optimizer steps per pass"""
    demonstrations: int = 256
    """episodes by the game's script that a tiny model imitates first; 0: it starts from nothing"""
    imitation: int = 24
    """times that it goes through them"""
    imitation_rate: float = 3e-3
    """Adam's learning rate meanwhile; 0: `rate`"""
    ratio: str = "turn"
    """what one probability ratio is of: turn, token or sequence"""
    factor: str = "bias"
    """what scales steps: bias (‖C‖), one (nothing), and to compare shuffled (its factors at other times) or average"""
    guard: str = "limited"
    """how ‖C‖ scales steps: limited (down, where it is larger than usual) or literal (by 1 / ‖C‖, where it is not 0)"""
    clip: float = 0.2
    """how far probability ratios may move before they are clipped"""
    discount: float = 1.0
    """worth of a reward one own token later"""
    trace: float = 0.95
    """GAE's λ per own token"""
    critic_rate: float = 2e-3
    """Adam's learning rate for critics"""
    value_clip: float = 0.2
    """how far an update may move a value before its error is no longer lowered by that"""
    delay: int = 0
    """updates by which the weights that talk are behind those that learn"""
    most_kl: float = 0.0
    """an update makes no further pass once the approximate KL divergence from those who talked is above this, in nats
    a token; 0: it always makes all"""


def build(s: Settings) -> Method:
    if s.delay < 0:
        raise InputError(f"delay is {s.delay} updates: give 0 or more")
    made = wiring("criticized")
    factor, guard = chosen(made.FACTORS, "factor", s.factor), chosen(made.GUARDS, "guard", s.guard)
    ratio = chosen(RATIOS, "ratio", s.ratio)
    loss = PolicyLoss(ratio=ratio, clip=symmetric(s.clip), average=sequence_total)
    often = {"passes": s.passes, "minibatches": s.minibatches, "sequences": True}
    steps = made.Steps(
        Learner(loss, risen(s.rate, s.warmup), s.max_norm, s.weight_decay, s.entropy_weight, **often),
        Learner(loss, risen(s.critic_rate, s.warmup), s.max_norm, s.weight_decay, **often),
        guard,
        factor,
        s.value_clip,
        s.most_kl or float("inf"),
    )
    judge = made.Judge(s.discount, s.trace)
    return made.criticized(s, steps=steps, judge=judge, delay=s.delay)
