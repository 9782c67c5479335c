"""Pictures of jaxmarl's environments: particles, battles, kitchens, and the bare numbers of all others.

Each function takes an environment and its state (numpy leaves) and returns one SVG string, as `Game.draw` does.
"""

from typing import Any

import numpy as np

from interplay.games import svg

KITCHEN_COUNTERS = {"goal": svg.color(2), "pot": svg.INK}
KITCHEN_THINGS = {"onion": svg.color(6), "onion_pile": svg.color(6), "plate": "#FFFFFF", "plate_pile": "#FFFFFF"}
SMALL = 12  # entries of an array that are still read at a glance
ADVERSARY = (243, 115, 115)  # the color jaxmarl gives to whoever plays against the others
# What the numbers on the first layer of Overcooked's map stand for, in jaxmarl's order.
THINGS = ("unseen", "empty", "wall", "onion", "onion_pile", "plate", "plate_pile", "goal", "pot", "dish", "agent")


def particles(env: Any, inner: Any) -> str:
    """Agents in the color of their side, landmarks gray; far away particles stand at the edge."""
    place = lambda position: (svg.clamp(float(position[0]), -1.9, 1.9), -svg.clamp(float(position[1]), -1.9, 1.9))
    shapes = []
    for index in reversed(range(env.num_entities)):
        x, y = place(inner.p_pos[index])
        radius = float(env.rad[index])
        if index >= env.num_agents:
            shapes.append(svg.circle(x, y, radius, svg.MUTED, opacity=0.5))
            continue
        fill = svg.color(1 if tuple(env.colour[index]) == ADVERSARY else 0)
        shapes.append(svg.circle(x, y, radius, fill, opacity=0.85))
        shapes.append(svg.text(x, y, index, radius, svg.contrast(fill)))
    return svg.document(4.0, 4.0, *shapes, left=-2.0, top=-2.0, title=f"step {int(inner.step)}")


def battle(env: Any, inner: Any) -> str:
    """Units as discs in the color of their side, under each what is left of its health; the dead are small crosses."""
    units = inner.state if hasattr(inner, "enemy_policy_state") else inner
    most, radii = np.asarray(env.unit_type_health), np.asarray(env.unit_type_radiuses)
    shapes = []
    for index in range(len(units.unit_alive)):
        kind = int(units.unit_types[index])
        x, y, radius = float(units.unit_positions[index, 0]), float(units.unit_positions[index, 1]), float(radii[kind])
        y = env.map_height - y
        if not units.unit_alive[index]:
            ends = ((-0.2, -0.2, 0.2, 0.2), (-0.2, 0.2, 0.2, -0.2))
            shapes += [svg.line(x + a, y + b, x + c, y + d, svg.MUTED, stroke_width=0.1) for a, b, c, d in ends]
            continue
        fill = svg.color(0 if index < env.num_allies else 1)
        left = svg.clamp(float(units.unit_health[index] / most[kind]), 0.0, 1.0)
        shapes.append(svg.circle(x, y, radius, fill, opacity=0.85))
        shapes.append(svg.text(x, y, env.unit_type_shorthands[kind], radius, svg.contrast(fill)))
        shapes.append(svg.rect(x - radius, y + radius + 0.12, 2 * radius, 0.16, svg.MUTED))
        shapes.append(svg.rect(x - radius, y + radius + 0.12, 2 * radius * left, 0.16, svg.color(2)))
    return svg.document(float(env.map_width), float(env.map_height), *shapes, title=f"step {int(units.step)}")


def kitchen(env: Any, inner: Any) -> str:
    """Counters and what lies on them, pots with their countdown, cooks that point where they look."""
    margin = (inner.maze_map.shape[0] - env.height) // 2
    cells = inner.maze_map[margin : margin + env.height, margin : margin + env.width]
    shapes = []
    for row, column in np.ndindex(env.height, env.width):
        thing = THINGS[int(cells[row, column, 0])]
        if thing not in ("empty", "unseen", "agent"):
            fill = KITCHEN_COUNTERS.get(thing, "#CFD8DC")
            shapes.append(svg.rect(float(column), float(row), 1.0, 1.0, fill, stroke=svg.PAPER, stroke_width=0.04))
        shapes.append(_thing(thing, column + 0.5, row + 0.5, 0.28))
        if thing == "pot":
            left = int(cells[row, column, 2])
            shapes.append(svg.text(column + 0.5, row + 0.5, f"{23 - left}/3" if left > 20 else left, 0.3, "#FFFFFF"))
    for index, ((x, y), (ahead, down)) in enumerate(zip(inner.agent_pos, inner.agent_dir, strict=True)):
        x, y, ahead, down = int(x) + 0.5, int(y) + 0.5, int(ahead), int(down)
        shapes.append(svg.circle(x, y, 0.36, svg.color(index)))
        shapes.append(svg.circle(x + 0.28 * ahead, y + 0.28 * down, 0.09, svg.INK))
        shapes.append(_thing(THINGS[int(inner.agent_inv[index])], x, y, 0.18))
    return svg.document(float(env.width), float(env.height), *shapes, title=f"step {int(inner.step)}")


def _thing(thing: str, x: float, y: float, size: float) -> str:
    if thing == "dish":  # a plate with soup on it
        return svg.circle(x, y, size, "#FFFFFF", stroke=svg.INK, stroke_width=0.03) + svg.circle(
            x, y, size / 2, svg.color(1)
        )
    if thing not in KITCHEN_THINGS:
        return ""
    pile = thing.endswith("pile")
    back = svg.circle(x + 0.1, y - 0.1, size, KITCHEN_THINGS[thing], stroke=svg.INK, stroke_width=0.03) if pile else ""
    return back + svg.circle(x, y, size, KITCHEN_THINGS[thing], stroke=svg.INK, stroke_width=0.03)


def numbers(env: Any, inner: Any) -> str:
    """The small parts of a state written out, for environments without a picture of their own."""
    rows = []
    for field in getattr(inner, "__dataclass_fields__", {}):
        value = np.asarray(getattr(inner, field))
        if value.dtype.kind in "biuf" and value.size <= SMALL:
            rows.append(
                f"{field.replace('_', ' ')}: {np.array2string(value, precision=2, max_line_width=200)}".replace(
                    "\n", ""
                )
            )
    shapes = [svg.text(0.3, 1.0 + index, row, 0.7, text_anchor="start") for index, row in enumerate(rows)]
    return svg.document(24.0, max(12.0, len(rows) + 1.0), *shapes, title=type(env).__name__)
