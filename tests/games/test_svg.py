"""Drawing: what is written parses, numbers of all kinds are accepted, words cannot break out."""

import xml.etree.ElementTree as ElementTree

import jax.numpy as jnp
import numpy as np

from interplay.games import svg


def test_a_document_parses_and_keeps_its_shapes():
    shapes = [
        svg.circle(jnp.float32(1), np.float64(2), 0.25, svg.color(9), stroke_width=0.1),
        svg.rect(0, 0, 1, 1),
        svg.line(0, 0, 1 / 3, 1),
        svg.polygon([(0, 0), (1, 0), (0, 1)], "#FFFFFF"),
        svg.text(1, 1, "a < b & '/>'", 0.2, text_anchor="start"),
    ]
    root = ElementTree.fromstring(svg.document(4, 3, *shapes, left=-2, top=-1.5, title="<state>"))
    assert root.attrib["viewBox"] == "-2 -1.5 4 3"
    kinds = [child.tag.split("}")[1] for child in root]
    assert kinds == ["title", "rect", "circle", "rect", "line", "polygon", "text"]
    assert root[2].attrib == {"cx": "1", "cy": "2", "r": "0.25", "fill": svg.COLORS[1], "stroke-width": "0.1"}
    assert root[4].attrib["x2"] == "0.3333"
    assert root[6].text == "a < b & '/>'" and root[6].attrib["text-anchor"] == "start"


def test_clamp_and_contrast():
    assert [svg.clamp(value, -1, 1) for value in (-5, 0.5, 5, float("nan"))] == [-1, 0.5, 1, -1]
    assert svg.contrast(svg.color(0)) == "#FFFFFF" and svg.contrast(svg.color(6)) == svg.INK
