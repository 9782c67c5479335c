"""What each logged number is called and what it tells, in one sentence a newcomer can use.

A curve without an explanation is decoration. Known metrics (`entropy`, `approx_kl`) get a name, a sentence and a place
in the order of the page; a metric nobody described still gets its curve, under its own name.
"""

from typing import NamedTuple


class Metric(NamedTuple):
    """The name of a metric on the page and one sentence on how to read it."""

    label: str
    sentence: str


STEPS_PER_SECOND = "steps_per_second"
HIDDEN = frozenset({"step", "seed", "update", "seconds", "return", "episodes"})

KNOWN: dict[str, Metric] = {
    "policy_loss": Metric(
        "policy loss",
        "The objective the policy descends; its size has no meaning of its own, but a sudden jump is a warning.",
    ),
    "value_loss": Metric(
        "value loss",
        "How far the critic's estimates are from the returns it is fitted to; lower is better, and it may rise while the "
        "team enters new situations.",
    ),
    "loss": Metric("total loss", "The sum of all terms that the update descends."),
    "entropy": Metric(
        "entropy",
        "How random the actions are: high while exploring, falling as the team commits; near zero early means that "
        "exploration stopped.",
    ),
    "approx_kl": Metric(
        "policy change (KL)", "How far one update moved the policy, in nats; above about 0.05 the steps are large."
    ),
    "clip_fraction": Metric(
        "clip fraction",
        "The share of actions whose probability ratio reached the clip limit; much above 0.3 says that updates are too big.",
    ),
    "ratio": Metric(
        "probability ratio", "New over old probability of the stored actions; it starts every update at one."
    ),
    "gradient_norm": Metric(
        "gradient norm", "The length of the gradient before clipping; growth without end comes before divergence."
    ),
    "explained_variance": Metric(
        "explained variance",
        "The share of the variation in returns that the critic predicts: 1 is perfect, 0 no better than a constant.",
    ),
    "length": Metric(
        "episode length", "Environment steps in an episode, mean over the episodes that finished in the update."
    ),
    "rate": Metric("learning rate", "The optimizer's step size, after its schedule."),
    "learning_rate": Metric("learning rate", "The optimizer's step size, after its schedule."),
    "value": Metric("value", "The critic's mean estimate of the return to come."),
    "advantage": Metric("advantage", "How much better the actions taken were than the critic expected, on average."),
    "kl": Metric("policy change (KL)", "How far one update moved the policy, in nats."),
    "step_size": Metric(
        "accepted step size",
        "The fraction of the full natural-gradient step that the line search kept; zero is a rejected update.",
    ),
    "calls": Metric(
        "calls", "How often the agent spoke in an episode, on average; an agent that is never called learns nothing."
    ),
    "tokens": Metric("tokens", "Tokens said in an episode, on average."),
    "dead_groups": Metric(
        "dead groups", "The share of groups in which all attempts earned the same: nothing is learned from them."
    ),
    "sampler_gap": Metric(
        "sampler gap",
        "How far the probabilities that words were drawn with are from those that the update computes, in nats a token.",
    ),
    "clip_fraction_turn": Metric(
        "clipped turns", "The share of turns of which at least one token reached the clip limit."
    ),
    "imitation": Metric(
        "imitation",
        "How surprising demonstrations still were after the warm start, in nats a token; it does not change later.",
    ),
    "illegal": Metric("illegal answers", "Answers an episode that were none of the words asked for."),
    "failed": Metric("failed episodes", "The share of episodes that raised an error; they teach nothing."),
    "over_budget": Metric("over budget", "The share of episodes that ran out of calls, tokens or time."),
    "limit": Metric("cut short", "Messages an episode that reached the longest length allowed."),
    "room": Metric("out of room", "Messages an episode that filled the model's context."),
    "td_loss": Metric("TD loss", "How far values are from what came of the next step plus the values there."),
    "exploration": Metric(
        "exploration", "How curious play was: the chance of a random action, or a temperature, as the method has it."
    ),
    "front": Metric("front", "How many of the compromises found last are as good as any other in some objective."),
    "hypervolume": Metric(
        "hypervolume", "The area that the compromises found last cover above the reference point; more is better."
    ),
    "recovered_reward": Metric(
        "recovered reward", "What the values say that demonstrators were paid a step, on average; a scale, not a score."
    ),
    "expert_log_prob": Metric(
        "demonstrators' log-chance", "How likely the team finds what was demonstrated, in nats a choice; 0 is certain."
    ),
    "value_growth": Metric(
        "value growth",
        "How much values fall from one visited state to the next, discounted; going down without end is divergence.",
    ),
    STEPS_PER_SECOND: Metric(
        "speed",
        "Environment steps a second, all seeds together, between one row of the log and the next; the first rows "
        "may hold the compilation.",
    ),
}


def describe(name: str) -> Metric:
    """Name a metric and explain it; an unknown one keeps its own name and says that nobody described it.

    >>> describe("entropy").label
    'entropy'
    >>> describe("calls/solver").label
    'calls: solver'
    >>> describe("message_bits").label
    'message bits'
    """
    head, slash, agent = name.partition("/")
    if slash and head in KNOWN:
        return Metric(f"{KNOWN[head].label}: {agent}", KNOWN[head].sentence)
    return KNOWN.get(name) or Metric(name.replace("_", " "), "Logged by the method under this name.")


def in_order(names: set[str]) -> list[str]:
    """Known metrics first, in the order of this file, then the others by name.

    >>> in_order({"zeta", "entropy", "policy_loss"})
    ['policy_loss', 'entropy', 'zeta']
    """
    place = {name: index for index, name in enumerate(KNOWN)}
    return sorted(names, key=lambda name: (place.get(name, len(place)), name))
