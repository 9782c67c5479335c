"""HAMMER's claim: messages learned through the listeners' gradients make up for what the listeners do not see.

The controls send something that tells nothing: somebody else's message (which, where all need to hear the same, is as good),
noise, or features nobody has taught. One more arm sees everything itself, which is as far as messages can lead. In multiwalker,
a game in Python, the budget is what a machine without a graphics card can play, not what walking takes to learn.
"""

from collections.abc import Sequence
from pathlib import Path

import jax

from interplay.bench.claim import Claim, Control, Measure, Measured, Scale, Trained
from interplay.bench.verdict import at_least, better
from interplay.core.game import AnyGame, HostGame

WALKERS = {"discount": 0.99, "batch": 8, "length": 64}
LEARNED = ("sum guessing", "spread")
SETTINGS = {"spread": {"message": 4, "discount": 0.97}, "multiwalker": {"message": 2, **WALKERS}}
ALONE = {"spread": {"discount": 0.97}, "multiwalker": WALKERS}
WHOLE = {"spread": "spread"}
EPISODES = 1024
FEW = 32  # of a game in Python


def hearing(ablation: str) -> Measure:
    """Fresh greedy episodes of a trained team whose listeners hear the messages `ablation` leaves."""

    def measure(run: Path) -> Sequence[float]:
        from interplay.measure import messages, returns
        from interplay.run import saved

        loaded, key = saved.load(run), jax.random.key(saved.EVALUATION_KEY)
        teams = {seed: messages.changed(loaded.team(seed), ablation).greedy() for seed in loaded.seeds}
        count = episodes(loaded.game)
        play = lambda seed, team: returns.play(team, loaded.game, jax.random.fold_in(key, seed), count).mean
        return [play(seed, team) for seed, team in teams.items()]

    return measure


def greedy(run: Path) -> Sequence[float]:
    """Fresh greedy episodes of any trained team, the same ones."""
    from interplay.run import saved

    loaded = saved.load(run)
    return loaded.evaluate(episodes(loaded.game))["per_seed"]


def episodes(game: AnyGame) -> int:
    """How many a team is judged by."""
    return FEW if isinstance(game, HostGame) else EPISODES


def hammer(on: tuple[str, ...] = (), **settings) -> Trained:
    return Trained("hammer", settings, greedy, settings_on=SETTINGS, on=on)


CLAIM = Claim(
    slug="hammer",
    method="hammer",
    sentence="A central agent's learned messages make up for what local agents do not see.",
    source="Gupta et al., HAMMER (2021), sections 5 and 6",
    paper="figures only: above independent learners and random messages, near a fully central policy, in both domains",
    unit="return of fresh greedy episodes",
    games={
        "sum guessing": "sum-guessing",
        "spread": "limited(game='spread', first=4, agents=(1, 2))",
        "multiwalker": "pettingzoo:sisl/multiwalker_v9",
    },
    arms={
        "messages": hammer(),
        "no message": Trained("ippo", {"discount": 0.95}, greedy, settings_on=ALONE, about="ippo"),
        "sees all": Trained("ippo", {}, greedy, games=WHOLE, on=("spread",), about="ippo on the game without a limit"),
    },
    controls={
        "shuffled": Control(Measured("messages", hearing("shuffle"), on=("spread", "multiwalker")), against="messages"),
        "muted": Control(Measured("messages", hearing("mute")), against="messages"),
        "random": Control(hammer(LEARNED, ablation="random"), against="messages"),
        "untaught": Control(hammer(LEARNED, ablation="detach"), against="messages"),
    },
    scales={
        "smoke": Scale(2, 4096, settings={"batch": 16, "length": 16, "passes": 2}),
        "small": Scale(5, 400_000, steps_on={"multiwalker": 16_384}),
        "paper": Scale(10, 12_500_000),
    },
    expect=(
        better("messages", "no message", by=5.0, on=("sum guessing",)),
        at_least("messages", -2.0, on=("sum guessing",)),
        better("messages", "no message", on=("spread", "multiwalker")),
    ),
)
