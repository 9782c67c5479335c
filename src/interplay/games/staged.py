"""Game trees played step by step: any `Sequential` game as one of the library's own, compiled, for every team there is.

The state is a node of the tree. Only the mover is active, sees what its information set tells, and has that set's moves;
chance is drawn between steps, and rewards come at the end. Neural teams train on it, and a table (`nets.tabular`) or a person
sits down at the same table with them. Two known instances are `staged.make("leduc")` and `make("openspiel:kuhn_poker")`.
"""

import dataclasses

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Float32, Int, PRNGKeyArray

from interplay.core.errors import InputError
from interplay.core.game import Discrete, Game, Spec, TimeStep, opening, outcome
from interplay.games import svg, tree
from interplay.games.histories import Histories
from interplay.games.sequential import CHANCE, TERMINAL, Sequential

WIDEST = 2048  # information sets up to which each may be shown as a one-hot


class State(eqx.Module):
    """The node, and the row in which each player moved last, −1 before that."""

    node: Int[Array, ""]
    last: Int[Array, "player"]


@dataclasses.dataclass(frozen=True, eq=False)
class Nodes:
    """The arrays of a staged tree; compared by identity, so that they stand in compiled programs as constants.

    A node's children are `child[first[node]]` and those after it, in the order of its moves or outcomes; `upto` is how likely
    its outcome of chance or an earlier one is. `column[row, move]` says which of the row's moves a move of the game is, −1:
    none. `known` holds what each row shows. `deals` and `draws` are the most moves of chance in a row before anyone has moved,
    and later, `widest` is the most outcomes of one. `record` tells all histories, for pictures and people.
    """

    mover: Int[np.ndarray, "node"]
    row: Int[np.ndarray, "node"]
    first: Int[np.ndarray, "bound"]
    child: Int[np.ndarray, "place"]
    upto: Float32[np.ndarray, "node"]
    end: Int[np.ndarray, "node"]
    payoffs: Float32[np.ndarray, "terminal player"]
    column: Int[np.ndarray, "information action"]
    known: Float32[np.ndarray, "information feature"]
    deals: int
    draws: int
    widest: int
    record: Histories


class Staged(Game[State]):
    """A tree as a game; made by `staged`, of a `Sequential` game, or `of_tree`. Rows are those of the tree's tables."""

    spec: Spec
    nodes: Nodes = eqx.field(static=True)

    @property
    def record(self) -> Histories:
        return self.nodes.record

    @property
    def known(self) -> Float32[np.ndarray, "information feature"]:
        """What every information set shows."""
        return self.nodes.known

    @property
    def column(self) -> Int[np.ndarray, "information action"]:
        """The place of every move of the game among the moves of every information set, −1 where it is not legal."""
        return self.nodes.column

    def reset(self, key: PRNGKeyArray) -> tuple[State, TimeStep]:
        node = self._settled(jnp.zeros((), jnp.int32), key, self.nodes.deals)
        state = self._arrived(jnp.full(self.spec.agents, -1, jnp.int32), node)
        return state, TimeStep(**self._view(state), **opening(self.spec))

    def step(self, state: State, action: Int[Array, "agent"], key: PRNGKeyArray) -> tuple[State, TimeStep]:
        node = state.node
        mover, row = jnp.asarray(self.nodes.mover)[node], jnp.asarray(self.nodes.row)[node]
        move = jnp.clip(action[jnp.maximum(mover, 0)], 0, self.spec.action.width - 1)
        column = jnp.maximum(
            jnp.asarray(self.nodes.column)[row, move], 0
        )  # a move that is not legal counts as the first
        after = self._settled(self._child(node, column), key, self.nodes.draws)
        state = self._arrived(state.last, jnp.where(mover >= 0, after, node))
        done = jnp.asarray(self.nodes.mover)[state.node] == TERMINAL
        paid = jnp.asarray(self.nodes.payoffs)[jnp.asarray(self.nodes.end)[state.node]]
        return state, TimeStep(**self._view(state), **outcome(jnp.where(done & (mover >= 0), paid, 0.0), done, False))

    def draw(self, state: State) -> str:
        """Who did what so far, from left to right, and at the end what each got."""
        record, shapes = self.record, []
        told, node = record.game.start(), int(state.node)
        for at, move in enumerate(record.path(node)):
            mover = record.game.mover(told)
            fill = svg.MUTED if mover == CHANCE else svg.color(mover)
            word = str(move) if mover == CHANCE else record.game.word(told, move)
            shapes.append(svg.circle(at + 0.5, 0.5, 0.3, fill))
            shapes.append(svg.text(at + 0.5, 0.5, "?" if mover == CHANCE else mover, 0.3, svg.contrast(fill)))
            shapes.append(svg.text(at + 0.5, 1.05, word, min(0.25, 1.6 / max(len(word), 1))))
            told = record.game.play(told, move)
        if self.nodes.mover[node] == TERMINAL:
            words = ", ".join(f"player {who} {paid:+g}" for who, paid in enumerate(record.game.payoffs(told)))
            shapes.append(svg.text(0.1, 1.5, words, 0.3, text_anchor="start"))
        longest = self.spec.horizon + self.nodes.deals + self.nodes.draws
        return svg.document(max(longest, 4), 1.8, *shapes, title=record.game.name)

    @eqx.filter_jit
    def seen(self, rows: Int[Array, "*batch"]) -> TimeStep:
        """What is seen in given information sets, nothing having been seen before them."""
        rows = jnp.asarray(rows)
        owner = jnp.asarray(self.record.sets.player)[rows]
        nobody = jnp.full((*rows.shape, self.spec.agents), -1, jnp.int32)
        last = jnp.where(jnp.arange(self.spec.agents) == owner[..., None], rows[..., None], nobody)
        view = lambda owner, row, last: TimeStep(**self._seen(owner, row, last), **opening(self.spec))
        for _ in rows.shape:
            view = jax.vmap(view)
        return view(owner, rows, last)

    def _child(self, node: Int[Array, ""], column: Int[Array, ""]) -> Int[Array, ""]:
        place = jnp.minimum(jnp.asarray(self.nodes.first)[node] + column, len(self.nodes.child) - 1)
        return jnp.asarray(self.nodes.child)[place]

    def _settled(self, node: Int[Array, ""], key: PRNGKeyArray, most: int) -> Int[Array, ""]:
        """The node after all that chance does here, at most `most` moves."""
        for luck in jax.random.uniform(key, (most,)):
            node = jnp.where(jnp.asarray(self.nodes.mover)[node] == CHANCE, self._drawn(node, luck), node)
        return node

    def _drawn(self, node: Int[Array, ""], luck: Float[Array, ""]) -> Int[Array, ""]:
        """The first outcome up to which the chances sum to more than `luck`, found by halving the places in question."""
        low = jnp.asarray(self.nodes.first)[node]
        high = jnp.asarray(self.nodes.first)[node + 1] - 1  # a node of chance is never the last

        def halve(_, bounds):
            low, high = bounds
            middle = (low + high) // 2
            beyond = jnp.asarray(self.nodes.upto)[jnp.asarray(self.nodes.child)[middle]] > luck
            return jnp.where(beyond, low, jnp.minimum(middle + 1, high)), jnp.where(beyond, middle, high)

        low, _ = jax.lax.fori_loop(0, self.nodes.widest.bit_length(), halve, (low, high))
        return jnp.asarray(self.nodes.child)[low]

    def _arrived(self, last: Int[Array, "player"], node: Int[Array, ""]) -> State:
        moving = jnp.arange(self.spec.agents) == jnp.asarray(self.nodes.mover)[node]
        return State(node, jnp.where(moving, jnp.asarray(self.nodes.row)[node], last))

    def _view(self, state: State):
        return self._seen(
            jnp.asarray(self.nodes.mover)[state.node], jnp.asarray(self.nodes.row)[state.node], state.last
        )

    def _seen(self, mover: Int[Array, ""], row: Int[Array, ""], last: Int[Array, "player"]):
        known = jnp.asarray(self.nodes.known)
        moving = jnp.arange(self.spec.agents) == mover
        legal = jnp.asarray(self.nodes.column)[row] >= 0
        shared = jnp.where(last[:, None] < 0, 0.0, known[last])
        return {
            "observation": jnp.where(moving[:, None], known[row], 0.0),
            "legal": moving[:, None] & legal,
            "active": moving,
            "shared": shared.reshape(-1),
        }


def staged(game: Sequential, limit: int = 2_000_000) -> Staged:
    """`game` as a game of the library. Raises `InputError` as `tree.build` does, and for what `of_tree` refuses.

    >>> from interplay.games.kuhn import kuhn
    >>> staged(kuhn()).spec.horizon
    3
    """
    return of_tree(tree.build(game, limit))


def make(name: str, **parameters) -> Staged:
    """A tree game by the name that `tree.make` knows it by.

    >>> make("leduc(players=2)").spec.agents
    2
    """
    return staged(tree.sequential(name, **parameters))


def of_tree(built: tree.Tree) -> Staged:
    """A tree as a game of the library; rows are those of the tree's tables.

    An observation is what `Sequential.features` says, followed by which player sees it, as a one-hot; where the game says
    nothing, or the same of two information sets, it is the information set as a one-hot. `shared` is what every player saw
    when it moved last. Raises `InputError` where nobody has a move, or where a one-hot would be too wide.
    """
    record = built.record
    if not built.rows:
        raise InputError(f"{built.name} has no move for any player: there is nothing to play")
    known = _known(built)
    first, child = _children(record)
    end = np.zeros(record.nodes, np.int32)
    end[record.terminal] = np.arange(len(record.terminal))
    decided = _above(record.parent, record.mover >= 0, np.ones(record.nodes, bool))
    chances = _above(record.parent, record.mover == CHANCE, record.mover == CHANCE)
    most = lambda where: int(chances[where].max(initial=0))
    spec = Spec(
        agents=built.players,
        observation=known.shape[1],
        action=Discrete(record.game.actions),
        horizon=int(decided.max()),
        shared=built.players * known.shape[1],
        names=tuple(f"player_{player}" for player in range(built.players)),
    )
    nodes = Nodes(
        mover=record.mover.astype(np.int32),
        row=np.maximum(record.information, 0),
        first=first,
        child=child,
        upto=_upto(record, first, child),
        end=end,
        payoffs=record.payoffs.T.astype(np.float32),
        column=_columns(built),
        known=known,
        deals=most(decided == 0),
        draws=most(decided > 0),
        widest=int(np.diff(first)[record.mover == CHANCE].max(initial=1)),
        record=record,
    )
    return Staged(spec, nodes)


def _known(built: tree.Tree) -> Float32[np.ndarray, "information feature"]:
    sets, game = built.record.sets, built.record.game
    told = [game.features(built.record.state(int(node))) for node in sets.node[:1]]
    if told[0] is not None:
        rows = [np.asarray(game.features(built.record.state(int(node))), np.float32).reshape(-1) for node in sets.node]
        known = np.concatenate([np.stack(rows), np.eye(built.players, dtype=np.float32)[sets.player]], 1)
        if len(np.unique(known, axis=0)) == len(known):
            return known
    if built.rows > WIDEST:
        raise InputError(
            f"{built.name} has {built.rows:,} information sets and no numbers that tell them apart: define "
            "features(state) -> a vector of its own for each"
        )
    return np.eye(built.rows, dtype=np.float32)


def _children(record: Histories) -> tuple[np.ndarray, np.ndarray]:
    """Where each node's children begin, one place more at the end, and all children, in order of their parents."""
    child = np.argsort(record.parent[1:], kind="stable").astype(np.int32) + 1
    first = np.searchsorted(record.parent[child], np.arange(record.nodes + 1))
    return first.astype(np.int32), child


def _upto(record: Histories, first: np.ndarray, child: np.ndarray) -> Float32[np.ndarray, "node"]:
    running = np.cumsum(record.chance[child])
    before = np.concatenate([[0.0], running])[first[record.parent[child]]]
    upto = np.ones(record.nodes, np.float32)
    upto[child] = running - before
    return upto


def _columns(built: tree.Tree) -> np.ndarray:
    column = np.full((built.rows, built.record.game.actions), -1, np.int32)
    rows, places = np.nonzero(built.legal)
    column[rows, built.moves[rows, places]] = places
    return column


def _above(parent: np.ndarray, counted: np.ndarray, through: np.ndarray) -> np.ndarray:
    """How many of a node and those above it are counted, up to the first that is not to be gone through; by doubling."""
    total, jump = counted.astype(np.int32), np.where((parent >= 0) & through[parent] & through, parent, -1)
    while (jump >= 0).any():
        total = total + np.where(jump >= 0, total[jump], 0)
        jump = np.where(jump >= 0, jump[jump], -1)
    return total
