"""A language model as the proposer of a search over text: the parent and what is wrong with it go in, edits come out.

The model sees what kind of text it is, a few other good candidates, the parent and the critic's words, and answers with SEARCH
and REPLACE blocks. An answer that cannot be used is told back to it with the reason, a few times. FunSearch, AlphaEvolve and
the discovery of VAD-CFR work so; the model is whatever `Ask` reaches: an endpoint, a local model, a script.

Source: Li et al., "Discovering multiagent learning algorithms with large language models" (2026), section 3.
"""

from collections.abc import Callable

import numpy as np

from interplay.core.budget import Budget
from interplay.core.errors import InputError
from interplay.lm.client import Ask, Message
from interplay.methods import evolution
from interplay.methods.evolution import Proposal, Propose
from interplay.text import edits
from interplay.text.genome import Genome

TRIES = 3  # answers that are asked for until one can be used
SHOWN = 4000  # letters of an unusable answer that it is reminded of

RULES = f"""You improve the text below by small, purposeful changes. Answer with one or more blocks of this form and
nothing else after them:
{edits.START}
lines exactly as they stand in the text
{edits.MIDDLE}
the lines to put there
{edits.END}"""


def proposer(ask: Ask, about: str, read: Callable[[str], Genome]) -> Propose:
    """Propose with a model. `about` says what kind of text it is; `read` makes a genome of a changed text.

    `read` raises `InputError` for what cannot be used, and its words go back to the model.
    """

    def propose(wanted: evolution.Ask, rng: np.random.Generator) -> Proposal:
        parent = wanted.parent.genome
        talk, spent, failure = prompt(about, wanted), Budget(), ""
        for _ in range(TRIES):
            answer = ask(talk)
            spent = spent.plus(answer.spent)
            if answer.failure:
                return Proposal(None, spent, answer.failure)
            try:
                changed = edits.applied(parent.text, edits.blocks(answer.text))
                child = read(changed)
                if wanted.known(child):
                    raise InputError("this text was tried already: change something else")
                return Proposal(Genome(child.parts, (parent.hash,), "model"), spent)
            except InputError as wrong:
                failure = str(wrong)
                talk = [
                    *talk,
                    {"role": "assistant", "content": answer.text[:SHOWN]},
                    {"role": "user", "content": f"That cannot be used: {failure}. Answer again with whole blocks."},
                ]
        return Proposal(None, spent, f"no usable answer: {_kind(failure)}")

    return propose


def prompt(about: str, wanted: evolution.Ask) -> list[Message]:
    """What the model is told: the task, other good candidates, the parent and how it does."""
    others = "\n".join(
        f"Another, with score {other.score:.3f}:\n{other.genome.text}"
        for other in wanted.others
        if other is not wanted.parent
    )
    parent = wanted.parent
    asked = f"{others}\nThe text to improve, with score {parent.score:.3f}:\n{parent.genome.text}\n{wanted.feedback}"
    return [{"role": "system", "content": f"{about}\n\n{RULES}"}, {"role": "user", "content": asked.strip()}]


def _kind(failure: str) -> str:
    """A failure without what is particular to one answer, so that like ones are counted together."""
    return failure.split("'")[0].split(":")[0].strip(" ,(")[:60]
