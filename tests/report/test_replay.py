"""Frames of any origin become drawings and nothing else; replays that cannot be shown are said to be so."""

import json
from xml.etree import ElementTree

import pytest

from interplay.report import page, replay

HEAD = '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" viewBox="0 0 10 10">'


def clean(inside: str) -> str:
    """What is left of something inside an SVG."""
    return ElementTree.tostring(replay.sanitize(f"{HEAD}{inside}</svg>", "p-"), encoding="unicode")


@pytest.mark.parametrize(
    "inside",
    [
        "<script>alert(1)</script>",
        '<circle r="1" onload="alert(1)" onclick="alert(1)"/>',
        '<foreignObject><body xmlns="http://www.w3.org/1999/xhtml"><img src="x" onerror="alert(1)"/></body></foreignObject>',
        '<a href="javascript:alert(1)"><circle r="1"/></a>',
        '<use href="https://alert.example/x.svg#a"/>',
        '<use xlink:href="data:image/svg+xml,alert"/>',
        '<image href="https://alert.example/x.png"/>',
        '<image href="data:image/svg+xml;base64,PHN2ZyBvbmxvYWQ9ImFsZXJ0KDEpIi8+"/>',
        '<image href="data:text/html;base64,iVBORw0KGgoAlert"/>',
        '<image href="data:image/png;base64,iVBORw0KGgo=&quot; onload=&quot;alert(1)"/>',
        '<use href="data:image/png;base64,iVBORw0KGgoAlert"/>',
        '<circle r="1" style="fill:url(https://alert.example/x)"/>',
        '<circle r="1" fill="url(//alert.example/x)"/>',
        '<circle r="1" style="position:fixed;background:u\\72l(alert)"/>',
        "<style>* { background: url(//alert) }</style>",
        '<circle r="1"><animate attributeName="href" to="javascript:alert(1)"/></circle>',
        '<set attributeName="onload" to="alert(1)"/>',
        '<x:script xmlns:x="http://www.w3.org/1999/xhtml">alert(1)</x:script>',
        "<!-- alert --><?alert x?>",
        "<title><g>alert</g></title>",
    ],
)
def test_nothing_but_drawing_passes(inside):
    result = clean(inside)
    for word in ("alert", "script", "javascript", "http", "on", "position"):
        assert word not in result


def test_drawing_passes_whole():
    result = clean(
        '<g transform="translate(1 2)"><path d="M0 0L1 1" stroke="#123"/><text x="1">a &lt; b<tspan>c</tspan>d</text></g>'
    )
    assert 'transform="translate(1 2)"' in result
    assert 'd="M0 0L1 1"' in result
    assert ">a &lt; b<tspan>c</tspan>d</text>" in result


def test_a_png_inside_a_frame_passes_whole():
    data = "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAAB+/=="
    result = clean(f'<image width="4" height="3" href="{data}"/><image xlink:href="{data}" x="1"/>')
    assert result.count(f'href="{data}"') == 2
    assert 'width="4" height="3"' in result


def test_local_references_stay_and_get_their_own_names():
    result = clean(
        '<defs><linearGradient id="a"/></defs><rect fill="url(#a)" style="stroke: url(\'#a\'); stroke-width: 2"/>'
        '<use href="#a"/>'
    )
    assert 'id="p-a"' in result
    assert result.count("url(#p-a)") == 2
    assert 'href="#p-a"' in result
    assert 'stroke-width="2"' in result


def test_root_scales():
    root = replay.sanitize('<svg width="300" height="200px"><rect/></svg>')
    assert root.attrib == {"viewBox": "0 0 300 200"}


@pytest.mark.parametrize(
    "drawing",
    [
        "",
        "<svg",
        "<p/>",
        '<!DOCTYPE svg [<!ENTITY a "b">]><svg>&a;</svg>',
        '<svg xmlns="http://www.w3.org/1999/xhtml"/>',
    ],
)
def test_other_things_are_refused(drawing):
    with pytest.raises(ValueError, match="frame"):
        replay.sanitize(drawing)


def test_each_element_is_stored_once_and_frames_come_back(run):
    found = replay.read_replay(run / "replays" / "seed-0.json")
    assert len(found.frames) == 25
    assert len(found.parts) == 1 + 1 + 3 + 3 * 25  # head, background, landmarks, agents in every frame
    first = ElementTree.fromstring(found.frame(0))
    assert [child.tag for child in first] == ["rect"] + ["circle"] * 6


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ('{"frames": [', "torn"),
        ('{"frames": []}', "no frames"),
        ('{"frames": [3]}', "not a string"),
        ('{"frames": ["<p/>"]}', "not an SVG"),
        ('{"frames": ["<svg/>"], "rewards": [[NaN]]}', "not finite"),
        ("[]", "no frames"),
    ],
)
def test_bad_replay_is_left_out_and_said(run, content, reason):
    (run / "replays" / "bad.json").write_text(content)
    found, refused = replay.read_replays(run / "replays")
    assert [one.name for one in found] == ["seed-0"]
    assert reason in refused[0]
    assert "bad.json left out" in page.run_page(run).read_text()


def test_words_of_a_replay_cannot_end_the_data_block(run):
    file = run / "replays" / "seed-0.json"
    hostile = "</script><script>alert(1)</script>"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"caption": hostile}))
    assert hostile not in page.run_page(run).read_text()
