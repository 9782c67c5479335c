"""Deterministic policy gradients: critics learn what joint actions are worth, actors climb their own critic's slope.

For teams of `nets.deterministic`, whose evaluation keeps the two apart: what the actors' term says of critics has no gradient.
"""

import jax.numpy as jnp

from interplay.objectives.term import Objective, average, objective


def critics() -> Objective:
    """E[Σ_c ½ (Q_c(s, a) − target)²], over an agent's critics c.

    Source: Fujimoto et al., "Addressing function approximation error in actor-critic methods" (2018), eq. 7 for two of them.
    """

    def term(team, seen, batch):
        credit = batch.credit
        error = seen.extra["values"] - credit.target[..., None]
        loss = average(0.5 * jnp.square(error).sum(-1), credit.weight)
        return loss, {"td_loss": loss, "value": average(seen.value, credit.weight)}

    return objective(term)


def actors(penalty: float = 0.0) -> Objective:
    """−E[Q_i(s, μ_i(o_i), a_−i)] + `penalty` · E[size of the actors' outputs squared], the others acting as they did.

    Source: Lowe et al. (2017), eq. 6; the penalty is that of the authors' code (1e-3).
    """

    def term(team, seen, batch):
        weight = batch.credit.weight
        worth, size = average(seen.extra["own"], weight), average(seen.extra["size"], weight)
        return penalty * size - worth, {"policy_loss": -worth, "output_size": size}

    return objective(term)
