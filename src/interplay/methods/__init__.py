"""Methods by name. Each is one file that composes shared parts: a frozen `Settings` and `build(settings) -> Method`."""

import dataclasses
import difflib
import importlib
import importlib.util
from types import ModuleType
from typing import Any

from interplay.core.errors import InputError
from interplay.core.paths import look_here

MODULES = {  # slug -> (module, what it is)
    "random": ("baselines.random", "uniform over legal actions: the floor of every comparison"),
    "reinforce": ("baselines.reinforce", "plain policy gradient with a learned baseline"),
    "ippo": ("baselines.ippo", "independent proximal policy optimization"),
    "mappo": ("baselines.mappo", "PPO with a centralized critic"),
    "ippo-recurrent": ("baselines.ippo_recurrent", "IPPO with memory"),
    "mappo-recurrent": ("baselines.mappo_recurrent", "MAPPO with memory"),
    "happo": ("baselines.happo", "agents updated one after another, each clipped against the others' change"),
    "dqn": ("baselines.dqn", "every agent learns the worth of its own actions from replay"),
    "iql": ("baselines.iql", "independent Q learning with one shared network"),
    "vdn": ("baselines.vdn", "the team's value is the sum of its agents' values"),
    "qmix": ("baselines.qmix", "the team's value is a monotone mixture of its agents' values"),
    "iql-recurrent": ("baselines.iql_recurrent", "IQL with memory"),
    "vdn-recurrent": ("baselines.vdn_recurrent", "VDN with memory"),
    "qmix-recurrent": ("baselines.qmix_recurrent", "QMIX with memory"),
    "maddpg": ("baselines.maddpg", "actors climb critics that see everybody's actions"),
    "matd3": ("baselines.matd3", "MADDPG that believes the smaller of two critics"),
    "bayes-net-ac": ("bayes_net_ac", "agents see others' actions along a graph that is learned"),
    "mat": ("baselines.mat", "a transformer in which agents act one after another"),
    "cmat": ("cmat", "a transformer whose agents agree on a latent plan and act at once"),
    "hammer": ("hammer", "a central speaker sends each agent a short message"),
    "mansa": ("mansa", "independent learners that call a center where a switch says it pays"),
    "exploration-collapse": ("exploration_collapse", "a diagnosis: who learns together, and when cooperation is lost"),
    "igt-gradient": ("igt_gradient", "policy gradients that say where to sample next, with proofs behind them"),
    "mo-mix": ("mo_mix", "one team for all preferences, a mixer for every objective"),
    "mamql": ("mamql", "each agent's own reward and policy from demonstrations"),
    "iq-learn": ("baselines.iq_learn", "inverse soft-Q learning, agents independent"),
    "behavior-cloning": ("baselines.behavior_cloning", "does what demonstrators did"),
    "soft-q": ("baselines.soft_q", "independent soft Q learning"),
    "ma-airl": ("baselines.ma_airl", "adversarial inverse learning, a discriminator per agent"),
    "dr-mas": ("dr_mas", "each language agent's turns are compared with its own only"),
    "grpo": ("baselines.grpo", "rollouts of language teams compared with attempts at the same task"),
    "rloo": ("baselines.rloo", "a rollout's reward minus the mean of the other attempts"),
    "m-grpo": ("m_grpo", "a planner and the sub-agents it calls learn from the same attempts"),
    "ppo": ("baselines.ppo", "token PPO of language teams, with a critic"),
    "turn-ppo": ("turn_ppo", "PPO with a probability ratio for each turn"),
    "s-ppo": ("s_ppo", "token PPO with smaller steps where the clip throws much away"),
    "st-ppo": ("st_ppo", "Turn-PPO with smaller steps where the clip throws much away"),
    "advantage-alignment": ("advantage_alignment", "what is good for the other counts, by how well one has fared"),
    "advantage-alignment-games": ("alignment_games", "advantage alignment for tables and networks"),
    "hatrpo": ("baselines.hatrpo", "agents updated one after another inside a trust region"),
}

ELSEWHERE = {  # what other commands than `train` run: slug -> (module, function or "", command)
    "cfr": ("update.matching", "cfr", "solve"),
    "cfr-plus": ("update.matching", "cfr_plus", "solve"),
    "lcfr": ("update.matching", "lcfr", "solve"),
    "dcfr": ("update.matching", "dcfr", "solve"),
    "pcfr-plus": ("update.matching", "pcfr_plus", "solve"),
    "dpcfr-plus": ("update.matching", "dpcfr_plus", "solve"),
    "aod-cfr": ("update.matching", "aod_cfr", "solve"),
    "vad-cfr": ("update.matching", "vad_cfr", "solve"),
    "psro": ("methods.league", "", "solve"),
    "shor-psro": ("update.meta", "shor", "solve"),
    "discover": ("methods.discover", "", "discover"),
    "policy-synthesis": ("methods.policy_synthesis", "", "synthesize"),
    "context-evolve": ("methods.context_evolve", "", "evolve"),
}


def module(slug: str) -> ModuleType:
    """The module of the method called `slug`: one of ours, or a module of the user's own by its import name.

    Raises `InputError` with the nearest names where there is none.
    """
    if slug in MODULES:
        return importlib.import_module(f"interplay.methods.{MODULES[slug][0]}")
    look_here()
    if not _importable(slug):
        near = difflib.get_close_matches(slug, MODULES, n=3)
        hint = f"did you mean {' or '.join(near)}?" if near else f"known: {' '.join(MODULES)}, or a module of your own"
        raise InputError(f"no method is called '{slug}': {hint}")
    own = importlib.import_module(slug)
    if not (dataclasses.is_dataclass(getattr(own, "Settings", None)) and callable(getattr(own, "build", None))):
        raise InputError(f"module '{slug}' is no method: it needs a dataclass Settings and a function build(settings)")
    return own


def _importable(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except (ImportError, ValueError):  # a parent that is not there, or a name no module can have
        return False


def settings(slug: str, **changes: Any):
    """The settings of method `slug` with `changes`. Raises `InputError` for a field that it does not have."""
    kind = module(slug).Settings
    fields = {field.name for field in dataclasses.fields(kind)}
    for name in changes:
        if name not in fields:
            near = difflib.get_close_matches(name, fields, n=3)
            hint = f"did you mean {' or '.join(near)}?" if near else f"it has: {' '.join(sorted(fields))}"
            raise InputError(f"{slug} has no setting '{name}': {hint}")
    return kind(**changes)
