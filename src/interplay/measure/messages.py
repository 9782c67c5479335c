"""What a trained team's messages are worth: the same networks, with what the listeners hear changed.

Two known instances are muting a speaker and giving agents one another's messages. This asks another question than training
with a changed channel does: a team that *learns* with its messages shuffled learns one message that serves everybody. Where
all need to know the same thing (sum guessing), listeners that share a network get nearly the same message in any case, and
shuffling shows little either way; muting does.
"""

import dataclasses

from jaxtyping import PRNGKeyArray

from interplay.core.errors import InputError
from interplay.core.game import AnyGame
from interplay.core.names import chosen
from interplay.core.team import Team
from interplay.measure import returns
from interplay.nets.message import ABLATIONS
from interplay.nets.speaker import Speaking


def changed(team: Team, ablation: str) -> Speaking:
    """The trained `team` with its channel put through the ablation of that name, on the learning side of the channel.

    Its parameters are untouched; `changed(team, name).greedy()` acts as when running. Raises `InputError` for a team
    that sends no messages and for unknown names.

        >>> changed(team, "mute").greedy()  # doctest: +SKIP
    """
    change = chosen(ABLATIONS, "ablation", ablation)
    if not isinstance(team, Speaking):
        raise InputError(f"{type(team).__name__} sends no messages: pass a team that hammer trained")
    channel = change(team.channel)
    return dataclasses.replace(team, channel=channel, carry=channel.learning)


def heard(team: Team, game: AnyGame, key: PRNGKeyArray, episodes: int) -> dict[str, float]:
    """Mean greedy return under every ablation, all on the same episodes; "none" is the team as it was trained.

    "detach" is left out: it changes gradients, not play.

        >>> heard(team, games.make("sum-guessing"), jax.random.key(0), 1024)  # doctest: +SKIP
        {'none': -0.4, 'mute': -13.5, 'shuffle': -6.7, 'random': -14.5}
    """
    names = [name for name in ABLATIONS if name != "detach"]
    return {name: returns.play(changed(team, name).greedy(), game, key, episodes).mean for name in names}
