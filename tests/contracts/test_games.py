"""Every game keeps the contract: ours by name, and a few of everybody else's through the adapters."""

import importlib.util

import pytest

from interplay import check, games

SMALLER = {  # the same code on less ground
    "gathering": "gathering(map='garden', agents=3, horizon=30)",
    "cleanup": "cleanup(map='pond', agents=3, horizon=30)",
    "harvest": "harvest(map='garden', agents=3, horizon=30)",
}
VARIANTS = [
    "spread(agents=4, landmarks=2)",
    "foraging(agents=3, sight=2, horizon=20)",
    "climbing(horizon=3)",
]
ADAPTED = [
    "pettingzoo:mpe/simple_spread_v3",
    "pettingzoo:classic/tictactoe_v3",
    "gymnasium:CartPole-v1",
    "momaland:moitem_gathering_v0",
]
COMPILED = ["jaxmarl:mpe/simple_spread_v3", "jumanji:LevelBasedForaging-v0"]


def there(name):
    module = games.OWN[name][0].split(":")[0]
    return importlib.util.find_spec(f"interplay.games.{module}") is not None


SLOW = {  # trees as kuhn is one, and games like others here
    "leduc", "liars-dice", "goofspiel", "blotto", "battleship", "phantom-tic-tac-toe", "dark-hex",
    "gathering", "harvest", "gems", "cartpole", "lqr", "random-mdp",
}  # fmt: skip
OWN = [pytest.param(name, marks=pytest.mark.slow) if name in SLOW else name for name in games.OWN]


@pytest.mark.parametrize("name", [*OWN, *VARIANTS])
def test_own_games(name):
    if name in games.OWN and not there(name):
        pytest.skip("not written yet")
    assert check.check_game(games.make(SMALLER.get(name, name))) == []


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning", "ignore::FutureWarning")  # theirs
@pytest.mark.parametrize("name", [*ADAPTED, *(pytest.param(name, marks=pytest.mark.slow) for name in COMPILED)])
def test_games_of_others(name):
    pytest.importorskip(name.split(":")[0])
    assert check.check_game(games.make(name), seeds=2) == []
