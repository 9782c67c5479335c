"""Claims by name: what papers say, as campaigns that anybody can run again. One file a claim; see `interplay.bench.claim`."""

import importlib
from typing import TYPE_CHECKING

from interplay.core.errors import InputError
from interplay.core.names import nearest
from interplay.core.paths import look_here

if TYPE_CHECKING:
    from interplay.bench.claim import Claim

MODULES = {  # slug -> (module, what is claimed)
    "bayes-net-ac": ("bayes_net_ac", "seeing others' actions first leads to better equilibria"),
    "cmat": ("cmat", "a latent consensus does as well as an imposed order, and needs none"),
    "vad-cfr": ("vad_cfr", "a rule found by program search solves games faster than those made by hand"),
    "shor-psro": ("shor_psro", "a meta-solver found by program search closes games faster"),
    "igt-gradient": ("igt_gradient", "averages of gradients at looked-ahead points err less at equal episodes"),
    "mansa": ("mansa", "a switch that pays for calls keeps most of a center's worth at few of its calls"),
    "exploration-collapse": ("exploration_collapse", "sharing experience makes cooperation collapse"),
    "mo-mix": ("mo_mix", "one team for all preferences finds a better front than a QMIX for each"),
    "mamql": ("mamql", "marginal values give back how agents act and what they want"),
    "dr-mas": ("dr_mas", "own statistics keep gradients of seldom called agents from being inflated"),
    "m-grpo": ("m_grpo", "planner and sub-agent that learn together beat a planner alone"),
    "st-ppo": ("st_ppo", "ratios per turn and scaled steps keep off-policy training from collapsing"),
    "advantage-alignment": ("advantage_alignment", "aligned advantages teach reciprocity"),
    "context-evolve": (
        "context_evolve",
        "summaries, aims and chosen examples find better systems code than plain evolution",
    ),
    "policy-synthesis": (
        "policy_synthesis",
        "feedback with social metrics finds better policies where reward alone hides opposite mistakes",
    ),
    "discover": ("discover", "program search finds a better rule than its seed and than random search"),
    "hammer": ("hammer", "learned messages make up for what agents do not see"),
}


def load(slug: str) -> "Claim":
    """The claim called `slug`, ours or `MODULE:NAME` of the user's own.

    Raises `InputError` with the nearest names where there is none.
    """
    module, colon, name = slug.partition(":")
    if colon:
        look_here()
        try:
            return getattr(importlib.import_module(module), name)
        except (ModuleNotFoundError, AttributeError):
            raise InputError(f"no claim is at '{slug}': give MODULE:NAME of a file in this folder") from None
    if slug not in MODULES:
        raise InputError(f"no claim is called '{slug}': {nearest(slug, MODULES)}")
    return importlib.import_module(f"interplay.claims.{MODULES[slug][0]}").CLAIM
