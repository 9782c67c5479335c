"""Policy synthesis from beginning to end: search, play what was found in fresh long episodes, and write it down."""

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import jax

from interplay import games
from interplay.methods import policy_synthesis as synthesis
from interplay.methods.evolution import Propose, Score, Searching
from interplay.methods.policy_synthesis import PART, Settings
from interplay.run import folder, searching
from interplay.run.spread import Place
from interplay.text import policies, policy_play
from interplay.text.genome import Genome
from interplay.text.policies import Policy
from interplay.text.trial import Allowance

FOUND, BEST, REPLAYS = "found.json", "best.policy", "replays"
FRESH = 1  # seed of the episodes of the report; searches use another


Scored = Callable[[Settings], AbstractContextManager[Score]]


@contextmanager
def here(s: Settings) -> Iterator[Score]:
    """Policies play side by side, in one compiled program."""
    yield synthesis.scorer(synthesis.player(s.game, s.length, s.episodes, s.batch))


def away(place: Place, workers: int) -> Scored:
    """Policies play at workers of a place, each of which has its share of a batch."""
    lanes = lambda s: -(-s.batch // workers)
    return lambda s: searching.scored(place, workers, _trials, s.game, s.length, s.episodes, lanes(s))


def _trials(
    game: str, length: int, episodes: int, lanes: int, bodies: Sequence[Mapping[str, str]]
) -> list[dict[str, Any]]:
    """The trials of policies in a worker, as JSON has them."""
    score = synthesis.scorer(synthesis.player(game, length, episodes, lanes))
    return [trial.as_json() for trial in score([Genome(parts) for parts in bodies])]


def run(
    s: Settings,
    allowed: Allowance,
    path: Path,
    *,
    seed: int = 0,
    propose: Propose | None = None,
    proposer: str = "bandit over typed changes",
    scored: Scored = here,
    watch: Callable[[float, str], None] = lambda share, words: None,
) -> dict[str, Any]:
    """Search in the folder `path`, from where it is; returns and keeps the policy found, beside the start and references."""
    asked = {"seed": seed, "proposer": proposer, "settings": searching.plain_settings(s)}
    look = lambda state, share: watch(share, f"best reward {state.best.score:.2f}")
    start = synthesis.genome(policies.REFERENCES[s.start])
    with scored(s) as score:
        state = searching.run(synthesis.build(s, score=score, propose=propose), [start], path, asked, allowed, look)
    found = _told(s, state) | {"seed": seed, "proposer": proposer, "settings": dataclasses.asdict(s)}
    text = state.best.genome.parts[PART]
    head = f"# Found in {len(state.tried):,} policies (seed {seed}, {proposer}, {s.feedback} feedback) for {s.game}\n"
    folder.write_atomic(path / BEST, (head + text + "\n").encode())
    found |= {"policy": text, "file": str(path / BEST)}
    keep_replays(s, path, {s.start: policies.REFERENCES[s.start], "found": policies.parse(text)})
    folder.write_json_atomic(path / FOUND, found)
    return found


def keep_replays(s: Settings, path: Path, some: Mapping[str, Policy]) -> None:
    """Keep the first fresh episode of every policy, as long as those of the search, where the page of `path` finds it."""
    game, key = games.make(s.game), jax.random.split(jax.random.key(FRESH), s.report_episodes)[0]
    watch = policy_play.watcher(game, s.length)
    (path / REPLAYS).mkdir(exist_ok=True)
    for name, policy in some.items():
        states, reward = watch(policy, key)
        told = {
            "game": s.game,
            "mode": "the policy's",
            "frames": [game.draw(state) for state in states],
            "rewards": reward.tolist(),
            "return": float(reward.sum(0).mean()),
            "caption": f"{name} on {s.game}, {s.length:,} steps",
        }
        folder.write_json_atomic(path / REPLAYS / f"{name}.json", told)


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
