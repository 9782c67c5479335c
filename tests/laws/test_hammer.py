"""Laws of the central speaker: muted it is independent PPO, detached it never learns, and ratios begin at one."""

import dataclasses

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from interplay.check import assert_method, assert_team
from interplay.core.errors import InputError
from interplay.core.population import Population, shared
from interplay.methods import hammer
from interplay.methods.wiring import on_policy
from interplay.nets import message, views
from interplay.nets.recurrent import Network
from interplay.nets.seated import Seated
from interplay.nets.speaker import speaking
from interplay.objectives import gradient, value
from interplay.play import scan
from interplay.run import devices
from interplay.update.gradient import adam, epochs

TINY = {
    "game": "spread",
    "batch": 4,
    "length": 8,
    "width": 8,
    "passes": 2,
    "minibatches": 2,
    "steps": 320,
    "message": 2,
}


def build(**changes):
    return hammer.build(hammer.Settings(**{**TINY, **changes}))


def after(method, state, updates=2):
    step = jax.jit(method.step)
    for update in range(updates):
        state, _ = step(state, devices.update_key(0, update))
    return state


def narrowed(listeners: Seated) -> Seated:
    """The same networks without the inputs for a message that is always zero."""

    def cut(network: Network, inputs: int) -> Network:
        weight = lambda network: network.tower.layers[0].weight
        return eqx.tree_at(weight, network, weight(network)[:, :inputs])  # members lead

    inputs = listeners.spec.observation
    actors = eqx.tree_at(
        lambda actor: actor.network, listeners.actors.members, cut(listeners.actors.members.network, inputs)
    )
    return dataclasses.replace(
        listeners, actors=Population(actors), critics=Population(cut(listeners.critics.members, inputs)), slots=()
    )


def test_muted_it_is_independent_ppo_with_the_same_networks():
    method = build(ablation="mute", max_norm=1e9, rate=1e-3)
    start = jax.jit(method.init)(jax.random.key(0))
    game, s = method.game, hammer.Settings(**TINY)
    loss = gradient.clipped(s.clip) + s.value_weight * value.clipped(s.clip) - s.entropy_weight * gradient.entropy()
    updates = s.steps // (s.batch * s.length) * s.passes * s.minibatches
    alone = on_policy(
        game,
        lambda key: narrowed(start.team.listeners),
        gather=scan.steps(game, s.batch, s.length),
        credit=hammer.returns.standardized(hammer.returns.gae(s.discount, s.trace)),
        learner=epochs(loss, adam(hammer.linear_to_zero(1e-3, updates), 1e9), s.passes, s.minibatches),
    )
    other = dataclasses.replace(jax.jit(alone.init)(jax.random.key(0)), play=start.play)
    mine, theirs = narrowed(after(method, start).team.listeners), after(alone, other).team
    pairs = zip(jax.tree.leaves(mine), jax.tree.leaves(theirs), strict=True)
    for one, same in pairs:
        np.testing.assert_allclose(one, same, atol=2e-6)


@pytest.mark.parametrize(
    ("ablation", "learns"), [("none", True), ("detach", False), ("random", False), ("mute", False)]
)
def test_the_speaker_learns_through_its_messages_only(ablation, learns):
    method = build(ablation=ablation)
    start = jax.jit(method.init)(jax.random.key(0))
    end = after(method, start)
    said = lambda state: jax.tree.leaves((state.team.encoder, state.team.decoders))
    moved = [bool(jnp.any(old != new)) for old, new in zip(said(start), said(end), strict=True)]
    assert all(moved) if learns else not any(moved)


@pytest.mark.parametrize("channel", ["continuous", "discrete", "published"])
@pytest.mark.parametrize("game", ["spread", pytest.param("sum-guessing", marks=pytest.mark.slow), "speaker-listener"])
def test_ratios_are_one_before_the_first_update(channel, game):
    method = build(channel=channel, game=game, memory=4 if game == "spread" else 0)
    state = jax.jit(method.init)(jax.random.key(0))
    play = scan.steps(method.game, 4, 30)
    _, record, _ = jax.jit(play)(state.team, play.init(state.team, jax.random.key(1)), jax.random.key(2))
    again = jax.jit(scan.reevaluate)(state.team, record)
    np.testing.assert_allclose(again.log_prob, record.decision.log_prob, atol=1e-5)
    np.testing.assert_allclose(again.value, record.decision.value, rtol=1e-4, atol=1e-4)


def test_messages_are_noisy_while_learning_and_bits_when_running():
    sent, noise = jnp.array([[-1.0], [3.0]]), jnp.array([[0.5], [-0.5]])
    channel = message.regularized(2.0)
    np.testing.assert_allclose(channel.learning(sent, noise), jax.nn.sigmoid(jnp.array([[0.0], [2.0]])))
    assert channel.running(sent, noise).tolist() == [[0.0], [1.0]]
    assert message.published().running(jnp.array([[0.4], [0.6]]), noise[:1]).tolist() == [[-1.0], [1.0]]


def test_what_is_shuffled_reaches_another_agent_each_time():
    carry = message.misdirected(message.continuous()).running
    sent = jnp.array([[1.0], [2.0], [3.0]])
    assert carry(sent, jnp.array([[0.3], [-1.0], [0.1]])).tolist() == [[2.0], [3.0], [1.0]]
    assert carry(sent, jnp.array([[0.0], [1.0], [2.0]])).tolist() == sent.tolist()


@pytest.mark.parametrize("channel", ["continuous", pytest.param("discrete", marks=pytest.mark.slow)])
def test_the_contracts_hold(channel):
    method = build(channel=channel, minibatches=1)
    assert_method(method)
    assert_team(method.team(jax.jit(method.init)(jax.random.key(0))), method.game)


def test_messages_of_no_size_and_unknown_channels_are_refused():
    game = build().game
    with pytest.raises(InputError, match="set message to 1 or more, or train ippo"):
        speaking(game.spec, jax.random.key(0), shared(3), views.local, size=0, channel=message.continuous())
    with pytest.raises(InputError, match="did you mean discrete"):
        build(channel="discreet")
    with pytest.raises(InputError, match="ablation is 'x'"):
        build(ablation="x")
