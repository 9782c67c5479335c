"""Cross-play between the seeds of a saved run."""

import numpy as np
import pytest

import interplay


def test_the_seeds_of_a_run_play_with_each_other(tmp_path):
    run = interplay.train("ippo", "climbing", seeds=2, steps=64, batch=4, length=8, width=8, out=tmp_path / "run")
    saved = interplay.load(run.path)
    found, alone = saved.crossplay(episodes=4), saved.evaluate(episodes=4)
    assert np.shape(found["crossplay"]) == (2, 2) and found["seeds"] == [0, 1] and found["mode"] == "greedy"
    assert np.allclose(np.diag(found["crossplay"]), alone["per_seed"])  # one greedy episode is like the other here
    assert found["self_play"] == pytest.approx(np.mean(alone["per_seed"]))
    assert found["cross_play"] == pytest.approx((found["crossplay"][0][1] + found["crossplay"][1][0]) / 2)
