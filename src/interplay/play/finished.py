"""What became of the episodes that ended while experience was gathered, summed so that records add across devices."""

from typing import NamedTuple

from jaxtyping import Array, Float


class Finished(NamedTuple):
    """Sums over the episodes that ended: undiscounted return per agent, how many there were, their steps.

    The mean return of agent i is `total[i] / episodes` and the mean length `length / episodes`; both are undefined
    where `episodes` is zero.
    """

    total: Float[Array, "agent"]
    episodes: Float[Array, ""]
    length: Float[Array, ""]
