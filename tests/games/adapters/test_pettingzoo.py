"""PettingZoo both ways: shapes, masks, deaths, turns and rewards; our games pass PettingZoo's own tests."""

import importlib.util
import sys
import types
import warnings

import equinox as eqx
import gymnasium.spaces as gym_spaces
import jax.numpy as jnp
import numpy as np
import pytest
from jaxtyping import Array, Int
from pettingzoo import AECEnv, ParallelEnv

from interplay import games
from interplay.core.errors import GameError, InputError
from interplay.core.game import Box, Discrete, Game, Spec, TimeStep, opening, outcome
from interplay.games.adapters import pettingzoo as adapter
from interplay.games.adapters.spaces import picture, reader

with warnings.catch_warnings():  # it imports games in a way that it deprecates
    warnings.simplefilter("ignore", DeprecationWarning)
    from pettingzoo.test import api_test, parallel_api_test


class Count(eqx.Module):
    step: Int[Array, ""]


class Toy(Game[Count]):
    """Two agents of different widths count to three; each is paid its action."""

    spec: Spec = Spec(2, 3, Discrete(4), 3, observation_sizes=(3, 2), action_sizes=(4, 2), names=("cat_0", "dog_0"))

    def see(self, state, came):
        rows = jnp.array([[1.0, 2.0, 0.5], [3.0, 0.25, 0.0]]) + state.step * jnp.array([[1, 0, 0]])
        legal = jnp.array([[True, True, False, True], [True, True, False, False]])
        return TimeStep(rows, legal, jnp.ones(2, bool), jnp.zeros(0), **came)

    def reset(self, key):
        state = Count(jnp.zeros((), jnp.int32))
        return state, self.see(state, opening(self.spec))

    def step(self, state, action, key):
        state = Count(state.step + 1)
        return state, self.see(state, outcome(action.astype(jnp.float32), False, state.step >= 3))

    def draw(self, state):
        return f"<svg>{int(state.step)}</svg>"


class Continuous(Toy):
    spec: Spec = Spec(2, 3, Box(4), 3, observation_sizes=(3, 2), action_sizes=(4, 2), names=("cat_0", "dog_0"))

    def step(self, state, action, key):
        state = Count(state.step + 1)
        return state, self.see(state, outcome(action.sum(1), state.step >= 3, False))


@pytest.mark.parametrize("game", [Toy(), Continuous()])
def test_our_games_pass_pettingzoo_tests(game, capsys):
    env = adapter.to_parallel(game)
    with warnings.catch_warnings():  # their test is free to find our toy's agents odd; it must only not fail
        warnings.filterwarnings("ignore", category=UserWarning)
        parallel_api_test(env, num_cycles=20)
        api_test(adapter.to_aec(game), num_cycles=20)


def test_our_game_seen_from_pettingzoo():
    env = adapter.to_parallel(Toy(), render_mode="svg")
    views, infos = env.reset(seed=1)
    assert views["dog_0"].tolist() == [3.0, 0.25]
    assert infos["cat_0"]["action_mask"].tolist() == [1, 1, 0, 1] and infos["dog_0"]["action_mask"].tolist() == [1, 1]
    assert env.action_space("dog_0").n == 2 and env.state().shape == (5,) == env.state_space.shape
    assert env.render() == "<svg>0</svg>"
    _, rewards, ended, cut, _ = env.step({"cat_0": 3, "dog_0": 1})
    assert rewards == {"cat_0": 3.0, "dog_0": 1.0} and not any(ended.values()) and not any(cut.values())
    env.step({"cat_0": 0, "dog_0": 0})
    _, _, ended, cut, _ = env.step({"cat_0": 0, "dog_0": 0})
    assert cut == {"cat_0": True, "dog_0": True} and not any(ended.values()) and env.agents == []


def test_there_and_back_again():
    ours = adapter.ParallelGame(adapter.to_parallel(Toy()))
    step = ours.reset(0)
    assert ours.spec.observation_sizes == (3, 2) and ours.spec.action_sizes == (4, 2)
    assert ours.spec.action == Discrete(4) and ours.spec.names == ("cat_0", "dog_0")
    assert step.observation.tolist() == [[1, 2, 0.5], [3, 0.25, 0]]
    assert step.legal.tolist() == [[True, True, False, True], [True, True, False, False]]
    assert ours.step(np.array([3, 1])).reward.tolist() == [3, 1]


class Pets(ParallelEnv):
    """`life` says at which step an agent dies; after `max_cycles` the rest are truncated. Wants odd spaces."""

    metadata = {"name": "pets"}
    life: dict = {"b": 2}
    max_cycles = 3
    moves: gym_spaces.Space = gym_spaces.Box(np.array([0.0, -10.0]), np.array([4.0, 10.0]), dtype=np.float64)

    def __init__(self):
        self.possible_agents = ["a", "b"]
        image = gym_spaces.Box(0, 255, (2, 2), np.uint8)
        self.views = {
            "a": gym_spaces.Dict({"image": image, "mood": gym_spaces.Discrete(3, start=1)}),
            "b": gym_spaces.Tuple([gym_spaces.MultiBinary(2), gym_spaces.MultiDiscrete([2, 2])]),
        }
        self.got: list = []

    def observation_space(self, agent):
        return self.views[agent]

    def action_space(self, agent):
        return self.moves

    def see(self):
        full = {"a": {"image": np.full((2, 2), 51, np.uint8), "mood": 3}, "b": (np.array([1, 0]), np.array([0, 1]))}
        return {agent: full[agent] for agent in self.agents}

    def reset(self, seed=None, options=None):
        self.agents, self.time = list(self.possible_agents), 0
        return self.see(), {agent: {} for agent in self.agents}

    def step(self, actions):
        self.got.append(actions)
        self.time += 1
        views, alive = self.see(), self.agents
        ended = {agent: self.life.get(agent) == self.time for agent in alive}
        cut = dict.fromkeys(alive, self.time >= self.max_cycles)
        self.agents = [agent for agent in alive if not ended[agent] and not cut[agent]]
        return views, {agent: float(self.time) for agent in alive}, ended, cut, {agent: {} for agent in alive}


def test_observations_of_many_kinds_become_flat():
    game = adapter.ParallelGame(Pets())
    step = game.reset(0)
    assert game.spec.observation_sizes == (7, 6)
    np.testing.assert_allclose(step.observation[0], [0.2, 0.2, 0.2, 0.2, 0, 0, 1], rtol=1e-6)
    assert step.observation[1].tolist() == [1, 0, 1, 0, 0, 1, 0]
    with pytest.raises(InputError, match="Text cannot be made flat"):
        reader(gym_spaces.Text(3))


def test_box_actions_are_clipped_and_rescaled_to_the_bounds_of_each_dimension():
    env = Pets()
    game = adapter.ParallelGame(env)
    game.reset(0)
    game.step(np.array([[-1, 0.5], [7, -7]]))
    np.testing.assert_allclose(env.got[-1]["a"], [0, 5])
    np.testing.assert_allclose(env.got[-1]["b"], [4, -10])
    assert game.spec.action == Box(2, -1.0, 1.0) and env.got[-1]["a"].dtype == np.float64


def test_dead_agents_are_inactive_and_the_rest_play_on_to_truncation():
    game = adapter.ParallelGame(env := Pets())
    assert game.spec.horizon == 3
    game.reset(0)
    act = np.zeros((2, 2))
    assert game.step(act).active.tolist() == [True, True]
    dead = game.step(act)
    assert dead.active.tolist() == [True, False] and dead.reward.tolist() == [2, 2]
    assert not dead.observation[1].any() and not dead.terminated and not dead.truncated
    last = game.step(act)
    assert "b" not in env.got[-1] and last.reward.tolist() == [3, 0]
    assert last.truncated and not last.terminated
    assert last.active.tolist() == [True, False] and last.observation[0].any()  # what its future is valued by


def test_all_dead_is_terminated_and_our_horizon_truncates():
    env = Pets()
    env.life = {"a": 2, "b": 2}
    game = adapter.ParallelGame(env)
    game.reset(0), game.step(np.zeros((2, 2)))
    last = game.step(np.zeros((2, 2)))
    assert last.terminated and not last.truncated and not last.active.any() and not last.observation.any()
    short = adapter.ParallelGame(Pets(), horizon=1)
    short.reset(0)
    last = short.step(np.zeros((2, 2)))
    assert last.truncated and last.active.all()


def test_what_a_game_does_wrong_is_said_of_an_agent():
    class Stranger(Pets):
        def reset(self, seed=None, options=None):
            views, infos = super().reset()
            self.agents.append("ghost")
            return views, infos

    class Short(Pets):
        def see(self):
            return {**super().see(), "a": {"image": np.zeros((2, 3)), "mood": 1}}

    with pytest.raises(GameError, match="not one of possible_agents") as caught:
        adapter.ParallelGame(Stranger()).reset(0)
    assert caught.value.agent == "ghost"
    with pytest.raises(GameError, match=r"observation has shape \(2, 3\), expected \(2, 2\)") as caught:
        adapter.ParallelGame(Short()).reset(0)
    assert caught.value.agent == "a"


def test_actions_that_have_no_place_are_refused():
    class Mixed(Pets):
        def action_space(self, agent):
            return gym_spaces.Discrete(2) if agent == "a" else self.moves

    class Many(Pets):
        moves = gym_spaces.MultiDiscrete([2, 2])

    with pytest.raises(InputError, match="same kind"):
        adapter.ParallelGame(Mixed())
    with pytest.raises(InputError, match="MultiDiscrete"):
        adapter.ParallelGame(Many())


class Turns(AECEnv):
    """Three take turns. When c moves all are paid 1; b dies on its second turn, and after six turns time is up."""

    metadata = {"name": "turns"}

    def __init__(self):
        super().__init__()
        self.possible_agents = ["a", "b", "c"]

    def observation_space(self, agent):
        return gym_spaces.Dict({"observation": gym_spaces.Box(-9, 9, (1,)), "action_mask": gym_spaces.MultiBinary(2)})

    def action_space(self, agent):
        return gym_spaces.Discrete(2)

    def observe(self, agent):
        return {"observation": np.array([self.turn + 1.0]), "action_mask": np.array([1, agent != "a"], np.int8)}

    def reset(self, seed=None, options=None):
        self.agents, self.turn, self.agent_selection = list(self.possible_agents), 0, "a"
        self.rewards, self._cumulative_rewards = dict.fromkeys(self.agents, 0.0), dict.fromkeys(self.agents, 0.0)
        self.terminations, self.truncations = dict.fromkeys(self.agents, False), dict.fromkeys(self.agents, False)
        self.infos = {agent: {} for agent in self.agents}

    def step(self, action):
        agent = self.agent_selection
        if self.terminations[agent] or self.truncations[agent]:
            self._was_dead_step(action)
            return
        self._cumulative_rewards[agent] = 0
        self._clear_rewards()
        self.turn += 1
        following = {"a": "b", "b": "c", "c": "a"}[agent]
        if agent == "c":
            self.rewards = dict.fromkeys(self.agents, 1.0)
        if agent == "b" and self.turn == 5:
            self.terminations["b"] = True
        if self.turn == 6:
            self.truncations = dict.fromkeys(self.agents, True)
        self.agent_selection = following if following in self.agents else "a"
        self._accumulate_rewards()
        self._deads_step_first()


def test_turns_rewards_and_deaths_of_an_aec_game():
    game = adapter.TurnGame(Turns())
    step = game.reset(0)
    assert step.active.tolist() == [True, False, False] and step.legal[0].tolist() == [True, False]
    assert step.observation.tolist() == [[1], [0], [0]]
    seen = [game.step(np.zeros(3, int)) for _ in range(6)]
    assert [np.flatnonzero(step.active).tolist() for step in seen[:5]] == [[1], [2], [0], [1], [2]]
    paid = np.stack([step.reward for step in seen])
    assert paid[2].tolist() == [1, 0, 0]  # c moved; a is next and is given its due, the others later
    assert paid[3].tolist() == [0, 1, 0]
    assert paid.sum(0).tolist() == [2, 1, 2]  # b had died before the second payment
    assert seen[5].truncated and not seen[5].terminated and seen[5].active.tolist() == [True, False, True]


def test_tictactoe_is_lost_by_one_and_won_by_the_other():
    game = games.make("pettingzoo:classic/tictactoe_v3")
    step = game.reset(0)
    for place in (0, 1, 3, 2, 6):  # the first player fills a line
        assert step.legal[step.active][0][place]
        step = game.step(np.full(2, place))
    assert step.terminated and step.reward.tolist() == [1, -1]
    assert game.reset(1).legal[0].all()


@pytest.mark.parametrize("name", ["mpe/simple_spread_v3", "mpe/simple_tag_v3", "sisl/multiwalker_v9"])
def test_known_games_repeat_themselves_from_a_seed(name):
    pytest.importorskip("Box2D" if "sisl" in name else "mpe2")
    game = games.make(f"pettingzoo:{name}")
    rng = np.random.default_rng(0)
    shape = (5, 4, 4) if isinstance(game.spec.action, Box) else (5, game.spec.agents)
    acts = rng.uniform(-1, 1, shape) if isinstance(game.spec.action, Box) else rng.integers(0, 5, shape)
    runs = [[game.reset(5), *(game.step(act) for act in acts)] for _ in range(2)]
    for one, other in zip(*runs, strict=True):
        assert np.array_equal(one.observation, other.observation) and np.array_equal(one.reward, other.reward)
    assert game.spec.shared and np.isfinite(runs[0][-1].shared).all()
    assert game.spec.horizon == {"mpe": 25, "sis": 500}[name[:3]]


def test_names_parameters_and_what_is_wrong_with_them():
    assert games.make("pettingzoo:mpe/simple_spread_v3(N=2)").spec.agents == 2
    assert games.make("pettingzoo:classic/rps_v2", turns=True).reset(0).active.sum() == 1
    with pytest.raises(InputError, match="multiwalker_v9"):
        games.make("pettingzoo:sisl/multiwaker_v9")
    with pytest.raises(InputError, match="FAMILY/NAME"):
        games.make("pettingzoo:nowhere/thing_v0")
    with pytest.raises(InputError, match="wheels"):
        games.make("pettingzoo:mpe/simple_spread_v3", wheels=3)


def test_a_module_of_the_users(monkeypatch):
    package, module = types.ModuleType("zoo_of_mine"), types.ModuleType("zoo_of_mine.pets_v0")
    module.parallel_env = Pets
    package.Turns = Turns
    package.__path__ = []
    module.__spec__ = importlib.util.spec_from_loader("zoo_of_mine.pets_v0", None)
    monkeypatch.setitem(sys.modules, "zoo_of_mine", package)
    monkeypatch.setitem(sys.modules, "zoo_of_mine.pets_v0", module)
    assert isinstance(games.make("pettingzoo:zoo_of_mine/pets_v0"), adapter.ParallelGame)
    assert isinstance(games.make("pettingzoo:zoo_of_mine/Turns"), adapter.TurnGame)


def test_pictures_only_when_asked_for():
    game = games.make("pettingzoo:mpe/simple_spread_v3")
    game.reset(0)
    with pytest.raises(NotImplementedError, match="render=True"):
        game.draw()
    game = games.make("pettingzoo:mpe/simple_spread_v3", render=True)
    game.reset(0)
    assert game.draw().startswith("<svg") and "data:image/png;base64," in game.draw()
    game.close()
    assert 'width="400" height="100"' in picture(np.zeros((200, 800, 3), np.uint8))
