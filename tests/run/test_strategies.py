"""Strategies on the disk and in OpenSpiel: what comes back is what was saved, and nothing else is taken for it."""

import json

import numpy as np
import pytest

from interplay.core.errors import InputError
from interplay.games import tree
from interplay.run import state, strategies


@pytest.fixture(scope="module")
def kuhn():
    return tree.make("kuhn")


def some(built):
    weight = np.random.default_rng(0).random(built.legal.shape) * built.legal
    return weight / weight.sum(1, keepdims=True)


def test_saved_and_loaded_bit_for_bit(kuhn, tmp_path):
    kept = strategies.save(tmp_path / "kuhn", "kuhn", kuhn, some(kuhn), method="cfr-plus")
    again = strategies.load(kept)
    assert np.array_equal(again.strategy, some(kuhn)) and again.strategy.dtype == np.float64
    assert again.tree.rows == 12 and again.about["method"] == "cfr-plus"
    assert {path.name for path in kept.iterdir()} == {"state.safetensors", "manifest.json", "strategy.json"}


def test_what_is_not_a_whole_strategy_of_todays_game_is_refused(kuhn, tmp_path):
    with pytest.raises(InputError, match="no strategy in"):
        strategies.load(tmp_path / "nothing")
    state.save(tmp_path / "other", {"x": np.zeros(3)}, {})
    with pytest.raises(InputError, match="holds no strategy"):
        strategies.load(tmp_path / "other")
    with pytest.raises(InputError, match="has shape"):
        strategies.save(tmp_path / "wide", "kuhn", kuhn, np.zeros((12, 3)))
    strategies.save(tmp_path / "changed", "kuhn", tree.make("goofspiel(cards=3)"), np.full((16, 3), 1 / 3))
    with pytest.raises(InputError, match="has changed since"):
        strategies.load(tmp_path / "changed")
    kept = strategies.save(tmp_path / "cut", "kuhn", kuhn, some(kuhn))
    tensors = kept / "state.safetensors"
    tensors.write_bytes(tensors.read_bytes()[:-1])
    with pytest.raises(InputError, match="damaged"):
        strategies.load(kept)


def test_what_is_saved_can_be_read_by_people(kuhn, tmp_path):
    kept = strategies.save(tmp_path / "kuhn", "kuhn", kuhn, some(kuhn))
    about = json.loads((kept / "manifest.json").read_text())["about"]
    assert about["game"] == "kuhn" and about["information_sets"] == 12
    words = json.loads((kept / "strategy.json").read_text())
    assert list(words) == ["player 0", "player 1"] and sum(map(len, words.values())) == 12
    assert words["player 0"]["card 2: you open"]["bet"] == pytest.approx(
        some(kuhn)[kuhn.labels.index("card 2: you open"), 1]
    )


def test_to_openspiel_and_back(tmp_path):
    pyspiel = pytest.importorskip("pyspiel")
    import jax.numpy as jnp
    from open_spiel.python.algorithms import expected_game_score

    from interplay.play import walk

    built = tree.make("leduc(suits=False)")
    kept = strategies.Kept(built, some(built), {})
    name = "leduc_poker(suit_isomorphism=True)"
    policy = strategies.to_openspiel(kept, name)
    score = expected_game_score.policy_value(pyspiel.load_game(name).new_initial_state(), [policy] * 2)
    np.testing.assert_allclose(score, walk.expected(built, jnp.asarray(kept.strategy)), atol=1e-5)
    np.testing.assert_allclose(strategies.from_openspiel(built, policy, name), kept.strategy, atol=1e-12)
    with pytest.raises(InputError, match="not the same game"):
        strategies.to_openspiel(kept, "kuhn_poker")
