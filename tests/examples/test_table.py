"""The table of examples/my_table.py: a language model, a network and a solved strategy in one game."""

import numpy as np

from examples import my_table
from interplay.lm.play import Seat, play
from interplay.lm.scripted import Scripted


def test_a_model_a_network_and_a_strategy_play_one_game():
    scene = my_table.table()
    assert scene.agents == ("player_0",)
    seat = Seat(Scripted(scene.codec(scene.vocabulary, scene.agents), scene.script))
    deals = [scene.draw(np.random.default_rng(number)) for number in range(16)]
    played = play(scene, {"player_0": seat}, deals, (0,))
    assert not any(one.error or one.events.get("illegal") for one in played)
    earned = [one.outcome["player_0"] for one in played]
    assert set(earned) <= {-2.0, -1.0, 2.0, 3.0, 4.0} and len(set(earned)) > 2
    again = play(scene, {"player_0": seat}, deals[7:8], (0,))[0]
    assert again.calls[0].context[0].text == played[7].calls[0].context[0].text  # the same card for the same deal
