"""Draw each of our own games after a few random moves, for the documentation: docs/images/games/NAME.svg.

python tools/pictures.py [NAME …]
"""

import sys
from pathlib import Path

import jax

from interplay import games
from interplay.methods.baselines.random import Uniform

FOLDER = Path(__file__).resolve().parents[1] / "docs" / "images" / "games"
MOVES = {"spread": 8, "reference": 8, "speaker-listener": 8, "tag": 8, "foraging": 6, "aloha": 6, "coordination": 3} | {
    "gathering": 20,
    "cleanup": 20,
    "harvest": 30,
    "gems": 6,
    "intersection": 3,
    "cartpole": 4,
    "lqr": 4,
}


def picture(name: str, moves: int) -> str:
    """The game called `name` after `moves` joint actions drawn at random from what is legal."""
    game = games.make(name)
    team, key = Uniform(spec=game.spec), jax.random.key(3)
    state, seen = game.reset(key)
    for index in range(min(moves, game.spec.horizon)):
        act_key, step_key = jax.random.split(jax.random.fold_in(key, index))
        _, decision = team.act((), seen, act_key)
        state, seen = game.step(state, decision.action, step_key)
    return game.draw(state)


def main(asked: list[str]) -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    large = {"phantom-tic-tac-toe", "dark-hex", "liars-dice"}  # trees that take long to build
    for name in asked or [name for name in games.OWN if name not in large]:
        (FOLDER / f"{name}.svg").write_text(picture(name, MOVES.get(name, 1)) + "\n")
        print(FOLDER / f"{name}.svg")


if __name__ == "__main__":
    main(sys.argv[1:])
