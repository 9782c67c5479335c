"""Teams whose values stand for rewards: who acts by exp(Q / T) acts as if paid r(s, a, s') = Q(s, a) − γ V(s').

What inverse soft-Q learning gives back is such a team: its policy and its reward are one function
(`objectives.inverse.rewards`). Teams of `mamql` and of `iq-learn` are known instances; of behavior cloning too, whose values
are log-chances up to a number per state, so that its rewards are a guess.

Source: Garg et al., "IQ-Learn: inverse soft-Q learning for imitation" (2021), equation 9.
"""

import dataclasses

import equinox as eqx

from interplay.nets.valued import Valued


class Rewarding(Valued):
    """A `Valued` team without memory that knows γ and T; made by `rewarding`."""

    discount: float = eqx.field(static=True, default=1.0)
    temperature: float = eqx.field(static=True, default=1.0)


def rewarding(team: Valued, discount: float, temperature: float) -> Rewarding:
    """The same team, with what it takes to say which rewards its values stand for."""
    parts = {field.name: getattr(team, field.name) for field in dataclasses.fields(team)}
    return Rewarding(**parts, discount=discount, temperature=temperature)
