"""Each baseline well above random play on three team games, within a stated budget of steps per seed.

Returns are means over agents of sampled play in the last tenth of training, over two seeds. Random play earns −26.7 on
spread, 0.18 on foraging (whose optimum is 0.5) and 0.18 on SMAX 3m. `docs/methods/floors.md` holds what was measured.
"""

import pytest

import interplay
from interplay.report import summary

FLOORS = {  # game -> (steps per seed, floor)
    "spread": (300_000, -23.0),
    "foraging": (300_000, 0.25),
    "jaxmarl:smax/3m": (200_000, 0.9),
}
METHODS = ("reinforce", "ippo", "mappo", "ippo-recurrent", "mappo-recurrent", "happo", "hatrpo", "iql", "vdn", "qmix")


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("game", FLOORS)
@pytest.mark.parametrize("method", METHODS)
def test_above_the_floor(method, game, tmp_path):
    steps, floor = FLOORS[game]
    run = interplay.train(method, game, steps=steps, seeds=2, out=tmp_path / "run")
    assert summary.final_return(run.path)["mean"] > floor
