"""Policy synthesis from beginning to end: search, play what was found in fresh long episodes, and write it down."""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

from interplay.methods import policy_synthesis as synthesis
from interplay.methods.evolution import Propose, Searching
from interplay.methods.policy_synthesis import PART, Settings
from interplay.run import folder, searching
from interplay.text import policies
from interplay.text.trial import Allowance

FOUND, BEST = "found.json", "best.policy"
FRESH = 1  # seed of the episodes of the report; searches use another


def run(
    s: Settings,
    allowed: Allowance,
    path: Path,
    *,
    seed: int = 0,
    propose: Propose | None = None,
    proposer: str = "bandit over typed changes",
    watch: Callable[[float, str], None] = lambda share, words: None,
) -> dict[str, Any]:
    """Search in the folder `path`, from where it is; returns and keeps the policy found, beside the start and references."""
    asked = {"seed": seed, "proposer": proposer, "settings": searching.plain_settings(s)}
    look = lambda state, share: watch(share, f"best reward {state.best.score:.2f}")
    start = synthesis.genome(policies.REFERENCES[s.start])
    state = searching.run(synthesis.build(s, propose=propose), [start], path, asked, allowed, look)
    found = _told(s, state) | {"seed": seed, "proposer": proposer, "settings": dataclasses.asdict(s)}
    text = state.best.genome.parts[PART]
    head = f"# Found in {len(state.tried):,} policies (seed {seed}, {proposer}, {s.feedback} feedback) for {s.game}\n"
    folder.write_atomic(path / BEST, (head + text + "\n").encode())
    found |= {"policy": text, "file": str(path / BEST)}
    folder.write_json_atomic(path / FOUND, found)
    return found


def _told(s: Settings, state: Searching) -> dict[str, Any]:
    """What the search cost, and metrics of the policy found and of given ones in fresh episodes."""
    trials = {"found": policies.parse(state.best.genome.parts[PART]), **policies.REFERENCES}
    look = synthesis.player(s.game, s.report_length, s.report_episodes, 4, FRESH)
    report = {name: each._asdict() for name, each in zip(trials, look(list(trials.values())), strict=True)}
    line = [{"how": each.trial.genome.how, "reward": each.trial.score} for each in state.tried.values()]
    return {
        "evaluations": len(state.tried),
        "spent": state.spent._asdict(),
        "lost": dict(state.lost),
        "history": line,
        "report": report,
    }
