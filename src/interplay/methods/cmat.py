"""CMAT: the team as one agent that agrees with itself on a latent plan, learned by PPO on the joint action.

Law: without rounds it is PPO on independent heads with a joint critic; permuting agents permutes what they do.

Source: Zhao, Gao and Li, "Bridging MARL to SARL: an order-independent multi-agent transformer via latent consensus" (2026).
"""

import dataclasses

from interplay import games
from interplay.core.method import Method
from interplay.core.names import chosen
from interplay.methods.baselines import mat
from interplay.nets.consensus import consensus
from interplay.objectives import gradient

RATIOS = {"joint": gradient.joint, "per-agent": gradient.per_agent}


@dataclasses.dataclass(frozen=True)
class Settings(mat.Transformer):
    """CMAT's settings; network sizes are the source's."""

    rounds: float = 1.0
    """steps of the plan for each agent of the game; 0: no plan"""
    ratio: str = "joint"
    """what is clipped: the joint action's probability ratio, or per-agent as in the published code"""


def build(s: Settings) -> Method:
    game = games.make(s.game)
    rounds = round(s.rounds * game.spec.agents)
    make_team = lambda key: consensus(
        game.spec, key, width=s.width, blocks=s.blocks, heads=s.heads, rounds=rounds, decay=s.scale_decay
    )
    return mat.learned_by_ppo(game, make_team, s, chosen(RATIOS, "ratio", s.ratio))
