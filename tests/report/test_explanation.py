"""The pages that explain a prediction, a match and a model: safe with hostile names."""

import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest

from fewact.classifier.clip_map import ClipMap, MapPoint
from fewact.classifier.explain import Explanation, Neighbour
from fewact.classifier.joint_differences import joint_differences
from fewact.classifier.match import MatchedClips
from fewact.data.joints import JointTrack
from fewact.methods.protocols import FrameMatch, equal_parts
from fewact.report.document import Page
from fewact.report.explanation import explanation_page, map_page, matched_page
from fewact.video.writing import jpeg

HOSTILE = "</title><script>alert(1)</script>\"'><img src=x onerror=alert(2)>{{ 7*7 }}&amp;"


class Reader(HTMLParser):
    """Collects the tags, the attributes and the text of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.shown = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]

    def handle_data(self, data: str) -> None:
        self.shown += data


CELLS = (((0.0, 0.5), (1.0, -0.2)), ((0.05, 0.0), (0.0, 0.0)))
"""Of two frames of 2 × 2 cells two are strong enough to be drawn."""


def explanation(name: str) -> Explanation:
    third = 1 / 3
    match = FrameMatch(
        name, equal_parts(3), equal_parts(3), ((third, 0, 0), (0, third, 0), (0, 0, third))
    )
    neighbours = (
        Neighbour(name, 1, name, 0.5, {name: 0.5}, match, (b"\xff\xd8jpeg",), {"motion": CELLS}),
        Neighbour("other", 2, "other", 0.25, {"motion": 0.25}, None),
    )
    contributions = {name: 1.5, "motion": -0.25}
    probabilities = {name: 0.75, "other": 0.25}
    return Explanation(
        *(name, name, name, "other", probabilities, 0.5, "fusion"),
        *(contributions, neighbours, (b"\xff\xd8query",)),
    )


def check_hostile_name_is_text(page: Page) -> None:
    """Check a page that has the hostile name in each place of a name."""
    found = Reader(page.html())
    assert "script" not in found.tags
    assert not [name for name, _ in found.attributes if name.startswith("on")]
    assert HOSTILE in found.shown
    assert "49" not in found.shown.replace("0.49", "")
    links = [value for name, value in found.attributes if name in ("src", "href")]
    assert all(re.fullmatch("data:(,|image/jpeg;base64,.*)", link) for link in links)
    assert not re.search(r"(?<!\\)[<>]", page.markdown())


def test_hostile_names_are_text() -> None:
    page = explanation_page(explanation(HOSTILE))
    found = Reader(page)
    assert "script" not in found.tags
    assert "img" not in found.tags
    assert not [name for name, _ in found.attributes if name.startswith("on")]
    assert HOSTILE in found.shown
    assert "49" not in found.shown


def test_cells_that_add_most_are_drawn_over_the_query() -> None:
    page = explanation_page(explanation("wave"))
    assert page.count('class="cell"') == 2
    assert "where in the frame both clips agree in motion." in page


def test_each_sort_of_cells_has_a_drawing_of_the_query_of_its_own() -> None:
    found = explanation("wave")
    first = replace(found.neighbours[0], cells={"appearance": CELLS, "motion": CELLS})
    page = explanation_page(replace(found, neighbours=(first, found.neighbours[1])))
    assert page.count('class="cell"') == 4
    assert page.count("<image") == explanation_page(found).count("<image") + 1
    assert "agree in appearance; below it, in motion." in page


def test_the_joints_that_differ_are_listed_and_three_are_drawn() -> None:
    rng = np.random.default_rng(0)
    first, second = (JointTrack(rng.random((12, 34)), "coco17:xy") for _ in range(2))
    differences = joint_differences(first, second, (2.0, 3.0))
    found = explanation("clip")
    neighbours = found.neighbours
    compared = (replace(neighbours[0], differences=differences), *neighbours[1:])
    reader = Reader(explanation_page(replace(found, neighbours=compared)))
    without = Reader(explanation_page(found))
    assert reader.tags.count("polyline") == 2 * 3
    assert "polyline" not in without.tags
    assert all(joint.joint in reader.shown for joint in differences.joints)
    assert len(differences.joints) == 8


def test_temporal_attention_is_drawn_and_its_absence_is_said() -> None:
    found = explanation("wave")
    without = explanation_page(found)
    assert "None: frames of a clip do not attend to each other" in without
    plan = ((0.1, 0.4), (0.25, 0.25))
    attending = FrameMatch("attention", equal_parts(2), equal_parts(2), plan)
    page = explanation_page(replace(found, attention=attending))
    assert "do not attend" not in page
    assert page.count("temporal attention of wave") == 2
    # Two bars and four weights; the second frame gets the most.
    assert page.count('class="for"') - without.count('class="for"') == 6


def test_a_method_without_match_and_cells_says_so() -> None:
    found = explanation("wave")
    bare = tuple(replace(one, match=None, cells={}) for one in found.neighbours)
    page = explanation_page(replace(found, neighbours=bare))
    assert "The method matches no frames." in page
    assert "does not say where in the frame" in page


@pytest.mark.parametrize("shape", [(48, 48), (48, 480), (480, 48)])
def test_cells_are_on_the_image_not_beside_it(shape: tuple[int, int]) -> None:
    frame = jpeg(np.zeros((*shape, 3), np.uint8))
    page = explanation_page(replace(explanation("wave"), frames=(frame, frame)))
    scale = min(438 / shape[1], 80 / shape[0])
    middle, half = (220, 41), (shape[1] * scale / 2, shape[0] * scale / 2)
    sides = " ".join(f'{name}="([^"]*)"' for name in ("x", "y", "width", "height"))
    boxes = re.findall(f'<rect {sides} class="cell"', page)
    found = [[float(number) for number in box] for box in boxes]
    right = [middle[0], middle[1] - half[1], *half]  # the upper one on the right
    left = [middle[0] - half[0], middle[1], *half]
    assert found == [pytest.approx(right, abs=0.1), pytest.approx(left, abs=0.1)]


def test_each_matched_part_has_a_bar_of_its_weight() -> None:
    found = explanation("wave")
    plain = explanation_page(
        replace(found, neighbours=tuple(replace(one, match=None) for one in found.neighbours))
    )
    page = explanation_page(found)
    assert page.count('class="for"') - plain.count('class="for"') == 6
    assert "A bar is the weight of one frame" in page
    assert "A bar" not in plain


def test_a_page_needs_nothing_else() -> None:
    page = explanation_page(explanation("wave"))
    found = Reader(page)
    links = [value for name, value in found.attributes if name in ("src", "href", "xlink:href")]
    assert links[0] == "data:,"  # the icon that browsers else ask for
    assert len(links) == 1 + 3
    assert all(link.startswith("data:image/jpeg;base64,") for link in links[1:])
    assert "script" not in found.tags
    assert "prefers-color-scheme: dark" in page
    assert found.tags.count("path") == 3
    for text in ("75 %", "+1.50", "-0.25", "+1.25", "no frames: pass the folder"):
        assert text in found.shown


def test_the_page_of_matches_is_safe_and_shows_each_weight() -> None:
    match = FrameMatch(HOSTILE, equal_parts(2), equal_parts(2), ((0.75, 0.0), (0.0, 0.25)))
    found = MatchedClips(HOSTILE, "b", {HOSTILE: (0.5, match)}, (b"\xff\xd8jpeg",))
    page = matched_page(found)
    shown = Reader(page)
    assert "script" not in shown.tags
    assert HOSTILE in shown.shown
    assert not [value for name, value in shown.attributes if name in ("src", "onerror")]
    heights = [float(v) for n, v in shown.attributes if n == "height" and float(v) < 23]
    assert heights.count(22) == 2  # the bars of both first windows
    assert shown.tags.count("path") == 2


def test_hostile_names_on_a_map_are_text_and_many_classes_differ() -> None:
    labels = tuple(f"{HOSTILE} {i}" for i in range(20))
    points = [MapPoint("clip", HOSTILE, label, i / 20, 0.5) for i, label in enumerate(labels)]
    points += [MapPoint("prototype", label, label, 0.5, i / 20) for i, label in enumerate(labels)]
    points += [MapPoint("video", HOSTILE, "(none)", 0.1, 0.1)]
    page = map_page(ClipMap(tuple(points), labels, 30, "fusion"))
    assert "<script" not in page
    assert page.count('class="mark') == 20 + 20 + 20 + 1
    assert "a part is shown" in page
    marks = re.findall(
        r'<path d="[^"]*" class="mark" fill="(#[^"]*)"', page.partition("</table>")[0]
    )
    assert len(set(marks)) == 7
