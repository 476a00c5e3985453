"""``fewact report`` on a taught model and on results."""

import re
import shutil
import sys
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fewact import FewShotClassifier
from fewact.lab.evaluation import evaluate_method, save
from fewact.report import svg
from tests.lab.evaluation.made_up import Constant, Nearest, problem
from tests.report.test_explanation import Reader

Run = Callable[..., Any]


def test_a_model_with_thumbnails_becomes_one_file(
    run: Run, clips: Path, tmp_path: Path, model: Path
) -> None:
    classifier = FewShotClassifier(method="pixels").fit(clips)
    mine = classifier.save(tmp_path / "mine", thumbnails=True)
    ended = run("report", mine, "-o", tmp_path / "report.html")
    assert (ended.code, ended.err) == (0, "")
    found = Reader((tmp_path / "report.html").read_text())
    assert found.tags.count("img") == 6
    for text in ("growing", "turning/2.mp4", "of 6", "pixels"):
        assert text in found.shown
    assert run("report", model, "-o", tmp_path / "report.md").code == 0
    assert re.search(r"\| growing +\| 2 +\|", (tmp_path / "report.md").read_text())


def test_results_on_the_same_episodes_are_compared(run: Run, tmp_path: Path) -> None:
    for name, method, seed in (("a", Nearest, 0), ("b", Constant, 0), ("c", Nearest, 1)):
        save(evaluate_method(method(), *problem(noise=0.2, seed=seed)), tmp_path / f"{name}.json")
    paths = [tmp_path / f"{name}.json" for name in "abc"]
    assert run("report", *paths, "-o", tmp_path / "r.md").code == 0
    text = (tmp_path / "r.md").read_text().replace("\\", "")
    comparisons = text.split("## Comparisons")[1].split("## Settings")[0]
    assert f"| {paths[0]} | {paths[1]} |" in comparisons
    assert str(paths[2]) not in comparisons
    assert run("report", paths[0], "-o", tmp_path / "one.md").code == 0
    (tmp_path / "other.json").write_text('{"format": "another"}')
    ended = run("report", tmp_path / "other.json", "-o", tmp_path / "two.md")
    assert (ended.code, "not a result file" in ended.err) == (2, True)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:HarfBuzz-Subset:DeprecationWarning")
def test_a_pdf_has_all_that_the_page_has(run: Run, clips: Path, tmp_path: Path) -> None:
    try:
        import weasyprint
    except (ImportError, OSError) as error:
        pytest.skip(f"WeasyPrint or Pango is not installed: {error}")
    assert weasyprint.VERSION
    classifier = FewShotClassifier(method="pixels").fit(clips)
    mine = classifier.save(tmp_path / "mine", thumbnails=True)
    ended = run("report", mine, "-o", tmp_path / "report.pdf")
    assert (ended.code, ended.err) == (0, "")
    content = (tmp_path / "report.pdf").read_bytes()
    assert content.startswith(b"%PDF-")
    assert content.count(b"/DCTDecode") == 6  # the thumbnails
    streams = re.findall(rb"stream\r?\n(.*?)endstream", content, re.DOTALL)
    drawn = b"".join(zlib.decompress(one) for one in streams if one.startswith(b"\x78"))
    blue = " ".join(f"{int(svg.COLOURS[0][i : i + 2], 16) / 255:.3f}" for i in (1, 3, 5))
    assert [x for x in COLOUR.findall(drawn.decode("latin-1")) if rounded(x) == blue]


COLOUR = re.compile(r"([\d.]+ [\d.]+ [\d.]+) (?:rg|scn?)\b")


def rounded(colour: str) -> str:
    return " ".join(f"{float(x):.3f}" for x in colour.split())


def test_a_pdf_without_its_library_is_refused_first(
    run: Run, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "weasyprint", None)
    ended = run("report", model, "-o", tmp_path / "report.pdf")
    assert (ended.code, ended.out) == (2, "")
    assert 'pip install "fewact[pdf]"' in ended.err


def test_events_become_an_ethogram_with_their_numbers(run: Run, tmp_path: Path) -> None:
    rows = ["a.mp4,wave,0:01,0:03", "a.mp4,clap & sing,4,8", "a.mp4,wave,5,6", "b.mp4,wave,0,2"]
    head, none = "video,label,start,end", "b.mp4,clap,3,3"
    (tmp_path / "scored.csv").write_text("\n".join((head, *rows, none)))
    ended = run("report", tmp_path / "scored.csv", "-o", tmp_path / "r.html")
    assert ended.code == 0  # a point event counts
    page = (tmp_path / "r.html").read_text()
    found = Reader(page)
    assert found.tags.count("svg") == 1
    for text in ("clap & sing", "Events: 5, classes: 3, recordings: 2", "37.5 %"):
        assert text in found.shown
    wave, sing, point = (
        [float(x) for x in re.findall(rf'<rect x="([\d.]+)"[^>]* fill="{colour}"', page)]
        for colour in (svg.COLOURS[2], svg.COLOURS[1], svg.COLOURS[0])
    )
    starts = [[160 + 800 * s / 8 for s in times] for times in ((1, 5, 0), (4,), (3,))]
    assert [wave, sing, point] == starts
    run("budget", tmp_path / "scored.csv", "-o", tmp_path / "e.svg")
    drawing = (tmp_path / "e.svg").read_text()
    assert all(part in page for part in re.findall("<rect x.*", drawing))
    assert run("report", tmp_path / "scored.csv", "-o", tmp_path / "r.md").code == 0
    (tmp_path / "long.csv").write_text(f"{head}\na.mp4,{'x' * 40},0,4\n")
    run("report", tmp_path / "long.csv", "-o", tmp_path / "long.html")
    assert '<rect x="320"' in (tmp_path / "long.html").read_text()  # right of its name
    assert re.search(r"\| a.mp4 +\| wave +\| 2 +\| 3.00", (tmp_path / "r.md").read_text())


@pytest.mark.parametrize(
    ("paths", "output", "words"),
    [
        (("{model}",), "r.docx", "expected: .html, .md, .pdf"),
        (("{model}", "{model}"), "r.html", "a model gets a report of its own"),
        (("nowhere.json",), "r.html", "there is no such file"),
        (("nowhere",), "r.html", "no such folder"),
        (("{folder}/empty.csv",), "r.html", "events of a known program"),
        (("nowhere.csv",), "r.html", "fewact watch -o FILE"),
    ],
)
def test_what_cannot_be_reported_is_refused(
    run: Run, model: Path, tmp_path: Path, paths: tuple[str, ...], output: str, words: str
) -> None:
    mine = shutil.copytree(model, tmp_path / "mine")
    (tmp_path / "empty.csv").touch()
    ended = run(
        "report",
        *(path.format(model=mine, folder=tmp_path) for path in paths),
        "-o",
        tmp_path / output,
    )
    assert (ended.code, ended.out) == (2, "")
    assert words in ended.err
    assert not (tmp_path / output).exists()
