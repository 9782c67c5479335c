"""Replays made safe and small: frames drawn by anybody's game become vetted drawing elements, each stored once.

A frame is an SVG string that some game wrote, so it is parsed and rebuilt from an allow-list of drawing elements and
attributes; script, links to elsewhere and animation never pass, and pictures only as PNG data inside. Consecutive
frames share most of their elements (the walls of a maze, the landmarks of a particle world), so a replay keeps every
element once and each frame as a list of places in that store.
"""

import html
import json
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from interplay.report.dialogues import is_dialogue

LARGEST_FILE = 40_000_000  # bytes of one replay file; larger ones would make a page that no browser likes to open

ELEMENT_NAMES = """
    svg g path circle ellipse rect line polyline polygon text tspan title desc defs use symbol
    linearGradient radialGradient stop marker clipPath mask pattern image
"""
STYLE_NAMES = """
    fill fill-opacity fill-rule stroke stroke-width stroke-opacity stroke-linecap stroke-linejoin stroke-dasharray
    stroke-dashoffset stroke-miterlimit opacity color font-size font-family font-weight font-style text-anchor
    dominant-baseline alignment-baseline letter-spacing visibility display paint-order vector-effect clip-path
    clip-rule mask marker-start marker-mid marker-end stop-color stop-opacity shape-rendering text-rendering
"""
GEOMETRY_NAMES = """
    x y x1 y1 x2 y2 cx cy r rx ry fx fy d points width height transform viewBox preserveAspectRatio dx dy rotate
    textLength lengthAdjust pathLength offset gradientUnits gradientTransform spreadMethod markerWidth markerHeight
    markerUnits refX refY orient patternUnits patternTransform patternContentUnits clipPathUnits maskUnits
    maskContentUnits
"""
ELEMENTS = frozenset(ELEMENT_NAMES.split())
STYLES = frozenset(STYLE_NAMES.split())
ATTRIBUTES = STYLES | frozenset(GEOMETRY_NAMES.split())
SVG = "http://www.w3.org/2000/svg"
REFERENCE = re.compile(r"url\(\s*['\"]?#([\w.-]+)['\"]?\s*\)", re.IGNORECASE)
PICTURE = re.compile(r"data:image/png;base64,iVBORw0KGgo[A-Za-z0-9+/]*={0,2}")  # the first bytes of every PNG
UNSAFE = re.compile(r"[\\<>]|url\s*\(|javascript\s*:|expression\s*\(|@import|/\*", re.IGNORECASE)


@dataclass(frozen=True)
class Replay:
    """One episode to watch: `parts` are SVG strings stored once, each frame a list of places in it (its head first)."""

    name: str
    game: str
    seed: int | None
    mode: str
    caption: str
    total: float | None
    parts: list[str]
    frames: list[list[int]]
    rewards: list[list[float]]

    def frame(self, index: int) -> str:
        """Put one frame together again as an SVG string."""
        return "".join(self.parts[place] for place in self.frames[index]) + "</svg>"


def read_replays(folder: Path) -> tuple[list[Replay], list[str]]:
    """Read all replays of a run folder; return those that can be shown and a sentence on each that cannot."""
    replays: list[Replay] = []
    refused: list[str] = []
    for path in sorted(folder.glob("*.json")):
        if is_dialogue(path):
            continue
        try:
            replays.append(read_replay(path))
        except (OSError, ValueError, TypeError, RecursionError) as error:
            refused.append(f"replay {path.name} left out: {error}.")
    return replays, refused


def read_replay(path: Path) -> Replay:
    """Read and vet one replay file; raises `ValueError` when it is torn, empty, too large, or draws no SVG."""
    size = path.stat().st_size
    if size > LARGEST_FILE:
        raise ValueError(f"it has {size // 1_000_000} MB, the page shows at most {LARGEST_FILE // 1_000_000}")
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError("it is torn or not JSON") from error
    drawings = data.get("frames") if isinstance(data, dict) else None
    if not drawings:
        raise ValueError("it has no frames")
    prefix = re.sub(r"\W", "", f"{path.parent.parent.name}{path.stem}") + "-"
    rewards = [[float(reward) for reward in row] for row in data.get("rewards") or []]
    if not all(math.isfinite(reward) for row in rewards for reward in row):
        raise ValueError("a reward in it is not finite")
    parts, frames = store(sanitize(drawing, prefix) for drawing in drawings)
    return Replay(
        name=path.stem,
        game=str(data.get("game", "")),
        seed=data.get("seed"),
        mode=str(data.get("mode", "unknown")),
        caption=str(data.get("caption", "")),
        total=data.get("return"),
        parts=parts,
        frames=frames,
        rewards=rewards,
    )


def sanitize(drawing: str, prefix: str = "") -> ElementTree.Element:
    """Rebuild an SVG drawing from allowed elements and attributes only; ids get `prefix`, so two drawings never meet.

    The root keeps no width and height, only a `viewBox`, and so fits where it is put.
    Raises `TypeError` when it is no string, `ValueError` when it is not an SVG element or brings a document type of its own.

    >>> ElementTree.tostring(sanitize('<svg viewBox="0 0 1 1"><script>x()</script><circle r="1" onload="x()"/></svg>'))
    b'<svg viewBox="0 0 1 1"><circle r="1" /></svg>'
    """
    if not isinstance(drawing, str):
        raise TypeError("a frame is not a string")
    if "<!" in drawing.replace("<!--", ""):
        raise ValueError("a frame brings a document type or a data section, which SVG for a page does not need")
    try:
        source = ElementTree.fromstring(drawing)
    except ElementTree.ParseError as error:
        raise ValueError(f"a frame is not well-formed SVG ({error})") from error
    if _local(source.tag) != "svg":
        raise ValueError("a frame is not an SVG element")
    root = _rebuild(source, prefix)
    width, height = (_length(root.attrib.pop(side, None)) for side in ("width", "height"))
    root.attrib.setdefault("viewBox", f"0 0 {width or 100:g} {height or 100:g}")
    return root


def store(drawings: Iterator[ElementTree.Element]) -> tuple[list[str], list[list[int]]]:
    """Keep each distinct element once; return the store and every drawing as places in it."""
    places: dict[str, int] = {}
    frames = [[places.setdefault(part, len(places)) for part in _parts(drawing)] for drawing in drawings]
    return list(places), frames


def _parts(drawing: ElementTree.Element) -> Iterator[str]:
    attributes = "".join(f' {name}="{html.escape(value)}"' for name, value in drawing.attrib.items())
    yield f"<svg{attributes}>"
    for child in drawing:
        yield ElementTree.tostring(child, encoding="unicode")


def _rebuild(source: ElementTree.Element, prefix: str) -> ElementTree.Element:
    result = ElementTree.Element(_local(source.tag))
    for name, value in source.attrib.items():
        _copy_attribute(result, _local(name), value, prefix)
    if result.tag in ("text", "tspan", "title", "desc"):
        result.text = source.text
    for child in source:
        if _local(child.tag) in ELEMENTS and result.tag not in ("title", "desc"):
            result.append(_rebuild(child, prefix))
            if result.tag in ("text", "tspan"):
                result[-1].tail = child.tail
    return result


def _copy_attribute(result: ElementTree.Element, name: str, value: str, prefix: str) -> None:
    if name == "id":
        result.set("id", prefix + value)
    elif name == "href" and value.startswith("#"):
        result.set("href", "#" + prefix + value[1:])
    elif name == "href" and result.tag == "image":
        if PICTURE.fullmatch(value):
            result.set("href", value)
    elif name == "style":
        for entry in value.split(";"):
            key, _, content = entry.partition(":")
            if key.strip() in STYLES:
                _copy_attribute(result, key.strip(), content.strip(), prefix)
    elif name in ATTRIBUTES and not UNSAFE.search(REFERENCE.sub("", value)):
        result.set(name, REFERENCE.sub(lambda match: f"url(#{prefix}{match[1]})", value))


def _local(tag: Any) -> str:
    """The name without its namespace; comments and processing instructions (whose tag is a function) give nothing."""
    if not isinstance(tag, str):
        return ""
    space, _, name = tag.rpartition("}")
    return name if space in ("", "{" + SVG, "{http://www.w3.org/1999/xlink") else ""


def _length(text: str | None) -> float | None:
    match = re.match(r"\s*([\d.]+)", text or "")
    return float(match[1]) if match else None
