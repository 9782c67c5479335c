"""Tables over what is seen: they play what they say, and share or do not share their rows."""

import jax
import jax.numpy as jnp
import numpy as np

from interplay.games.iterated import prisoners_dilemma
from interplay.measure import reciprocity, returns
from interplay.nets.reactive import playing, reactive

KEY = jax.random.key(0)


def test_a_logit_is_the_log_odds_of_the_first_of_two_actions():
    team = reactive(5, 2, (0, 0), first=1.0)
    np.testing.assert_allclose(team.tables()[0, :, 0], 1 / (1 + np.exp(-1.0)), rtol=1e-6)
    assert team.logits.shape == (1, 5, 1) and reactive(5, 2, (0, 1)).logits.shape == (2, 5, 1)


def test_seats_play_their_own_tables():
    game = prisoners_dilemma()
    team = playing(reciprocity.TIT_FOR_TAT, reciprocity.ALWAYS_DEFECT)
    np.testing.assert_allclose(team.tables()[0], reciprocity.TIT_FOR_TAT, atol=1e-6)
    for some in (team, team.greedy()):
        played = returns.play(some, game, KEY, 4).returns
        np.testing.assert_allclose(played, np.tile([9.0, 14.0], (4, 1)))


def test_what_was_decided_is_judged_alike():
    _, seen = prisoners_dilemma().reset(KEY)
    team = playing([[0.2, 0.8]] * 5, [[0.6, 0.4]] * 5)
    _, decision = team.act((), seen, KEY)
    judged = team.evaluate((), seen, decision)[1]
    np.testing.assert_allclose(judged.log_prob, decision.log_prob)
    wanted = [np.log([0.2, 0.8])[decision.action[0]], np.log([0.6, 0.4])[decision.action[1]]]
    np.testing.assert_allclose(decision.log_prob, wanted, rtol=1e-5)
    assert bool(jnp.all(judged.entropy > 0.4))
