"""A language model as the proposer of a search over text: the parent and what is wrong with it go in, edits come out.

The model sees what kind of text it is, a few other good candidates, the parent and the critic's words, and answers with SEARCH
and REPLACE blocks. An answer that cannot be used is told back to it with the reason, a few times. FunSearch, AlphaEvolve and
the discovery of VAD-CFR work so; the model is whatever `Ask` reaches: an endpoint, a local model, a script.

Source: Li et al., "Discovering multiagent learning algorithms with large language models" (2026), section 3.
"""

from collections.abc import Callable

import numpy as np

from interplay.lm.client import Ask, Message
from interplay.methods import evolution
from interplay.methods.evolution import Proposal, Propose
from interplay.text import edits, roles
from interplay.text.genome import Genome
from interplay.text.roles import TRIES as TRIES

Prompt = Callable[[str, evolution.Ask], list[Message]]


def prompt(about: str, wanted: evolution.Ask, summary: str = "", aim: str = "") -> list[Message]:
    """What the model is told: the task, other candidates, the parent and how it does; what a summary and an aim say, if any."""
    others = [other for other in wanted.others if other is not wanted.parent]
    said = {"about": about, "others": others, "parent": wanted.parent, "feedback": wanted.feedback}
    form = {"start": edits.START, "middle": edits.MIDDLE, "end": edits.END}
    return roles.prompt("propose", **said, **form, summary=summary, aim=aim)


def proposer(ask: Ask, about: str, read: Callable[[str], Genome], prompt: Prompt = prompt) -> Propose:
    """Propose with a model. `about` says what kind of text it is; `read` makes a genome of a changed text.

    `read` raises `InputError` for what cannot be used, and its words go back to the model.
    """

    def propose(wanted: evolution.Ask, rng: np.random.Generator) -> Proposal:
        said = roles.propose(ask, prompt(about, wanted), wanted.parent.genome, read, wanted.known)
        return Proposal(said.value, said.spent, said.failure)

    return propose
