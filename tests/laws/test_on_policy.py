"""Laws of the on-policy methods: what reduces to what, and that a stored decision is judged exactly as it was made."""

import dataclasses

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from interplay import methods
from interplay.core.population import Population, separate, shared
from interplay.core.team import CENTER, Slot, Team
from interplay.methods.baselines import ippo, mappo
from interplay.nets import views
from interplay.nets.dense import Dense
from interplay.nets.seated import Seated, seated
from interplay.play import scan
from interplay.run import devices

TINY = {"batch": 4, "length": 8, "width": 8, "passes": 2, "minibatches": 2, "steps": 320}


def build(slug, **changes):
    known = {field.name for field in dataclasses.fields(methods.module(slug).Settings)}
    tiny = {name: value for name, value in TINY.items() if name in known}
    return methods.module(slug).build(methods.settings(slug, **{"game": "spread", **tiny, **changes}))


def after(method, updates=2, seed=0):
    state, step = jax.jit(method.init)(jax.random.key(seed)), jax.jit(method.step)
    for update in range(updates):
        state, metrics = step(state, jax.random.key(update))
    return state, metrics


def equal(first, second, tolerance=0.0):
    for a, b in zip(jax.tree.leaves(first), jax.tree.leaves(second), strict=True):
        np.testing.assert_allclose(np.asarray(a), np.asarray(b), atol=tolerance, rtol=tolerance)


def test_mappo_whose_critics_see_only_their_own_observation_is_ippo():
    settings = {"game": "spread", **TINY}
    central = after(mappo.build(mappo.Settings(**settings), view=views.local))
    local = after(ippo.build(ippo.Settings(**settings)))
    equal(central, local)


def test_recurrent_methods_without_memory_are_the_plain_ones():
    equal(after(build("ippo-recurrent", memory=0)), after(build("ippo")))
    equal(after(build("mappo-recurrent", memory=0)), after(build("mappo")))


@pytest.mark.parametrize("slug", ["reinforce", "ippo", "mappo", "ippo-recurrent", "mappo-recurrent", "happo", "hatrpo"])
def test_ratios_are_one_before_the_first_update(slug):
    extra = {"memory": 8} if "recurrent" in slug else {}
    method = build(slug, **extra)
    state = jax.jit(method.init)(jax.random.key(0))
    play = scan.steps(method.game, 4, 60)  # longer than an episode, so that memory is reset on the way
    _, record, _ = jax.jit(play)(state.team, play.init(state.team, jax.random.key(1)), jax.random.key(2))
    again = jax.jit(scan.reevaluate)(state.team, record)
    np.testing.assert_allclose(again.log_prob, record.decision.log_prob, atol=2e-6)
    np.testing.assert_allclose(again.value, record.decision.value, atol=2e-5)


class Speaker(Team):
    """A center that sends every agent one noisy number; the noise is part of the decision."""

    listeners: Seated
    voice: Dense
    needs: str = eqx.field(static=True, default=CENTER)

    def begin(self):
        return self.listeners.begin()

    def _message(self, time_step, noise):
        sent = self.voice(time_step.observation.reshape(-1)) + noise
        return {"message": jnp.broadcast_to(sent, (time_step.observation.shape[0], 1))}

    def act(self, memory, time_step, key):
        noise_key, key = jax.random.split(key)
        noise = jax.random.normal(noise_key, (1,))
        memory, decision = self.listeners.act(memory, time_step, key, self._message(time_step, noise))
        return memory, dataclasses.replace(decision, extra={**decision.extra, "noise": noise})

    def evaluate(self, memory, time_step, decision):
        message = self._message(time_step, decision.extra["noise"])
        return self.listeners.evaluate(memory, time_step, decision, message)


@pytest.mark.parametrize("passes", [True, False])
def test_a_context_slot_keeps_ratios_at_one_and_passes_gradient_only_if_it_says_so(passes):
    game = build("ippo").game
    slots = (Slot(name="message", size=1, gradient=passes),)
    listeners = seated(game.spec, jax.random.key(0), shared(3), views.local, slots=slots, width=8)
    wide = jax.tree.map(lambda leaf: leaf * 30, listeners.actors)  # a policy that depends on its inputs
    listeners = dataclasses.replace(listeners, actors=Population(wide.members))
    team = Speaker(listeners=listeners, voice=Dense(3 * game.spec.observation, 1, 1.0, jax.random.key(1)))
    gather = scan.steps(game, 3, 5)
    _, record, _ = gather(team, gather.init(team, jax.random.key(2)), jax.random.key(3))
    again = scan.reevaluate(team, record)
    np.testing.assert_allclose(again.log_prob, record.decision.log_prob, atol=1e-5)
    gradient = eqx.filter_grad(lambda team: scan.reevaluate(team, record).log_prob.sum())(team)
    reaches = float(jnp.abs(gradient.voice.weight).max())
    assert (reaches > 1e-6) == passes


def test_one_agent_alone_learns_the_same_from_a_shared_and_from_a_separate_seat():
    alone = {"game": "spread(agents=1)"}
    equal(after(build("ippo", share=True, **alone)), after(build("ippo", share=False, **alone)), 1e-6)


def test_sharing_is_separate_seats_with_equal_members():
    game = build("ippo").game
    one = seated(game.spec, jax.random.key(0), shared(3), views.local, width=8)
    copies = lambda population: Population(jax.tree.map(lambda leaf: jnp.repeat(leaf, 3, 0), population.members))
    three = dataclasses.replace(
        one,
        actors=copies(one.actors),
        critics=copies(one.critics),
        seats=separate(3),
        critic_seats=separate(3),
    )
    _, seen = game.reset(jax.random.key(1))
    first, second = (team.act(team.begin(), seen, jax.random.key(2))[1] for team in (one, three))
    equal(first, second, 1e-6)


def test_seeds_trained_together_equal_seeds_trained_alone():
    method = build("ippo")
    together = devices.Seeds(method, (0, 1, 2), 2)
    states, _ = together.advance(together.init(), 0, 3)
    for place, seed in enumerate((0, 1, 2)):
        alone = devices.Seeds(method, (seed,), 1)
        state, _ = alone.advance(alone.init(), 0, 3)
        equal(together.team(states, place), alone.team(state, 0), 1e-6)  # to the last bit or two


def test_a_run_split_over_two_devices_averages_their_gradients():
    method = build("ippo", passes=1, minibatches=1)
    split = devices.Split(method, (0,), 2)
    state, metrics = split.advance(split.init(), 0, 2)
    assert np.isfinite(metrics["loss"]).all()
    assert metrics["episodes"].sum() == 0
    for leaf in jax.tree.leaves(eqx.filter(state.team, eqx.is_array)):
        copies = [np.asarray(shard.data) for shard in leaf.addressable_shards]
        np.testing.assert_array_equal(copies[0], copies[1])
