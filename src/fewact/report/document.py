"""Reports as documents: HTML pages by Jinja2, in which every name is escaped, PDF and Markdown."""

import base64
import hashlib
import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any

from fewact.core.errors import OptionError
from fewact.core.text_table import markdown_text
from fewact.report import svg
from fewact.report.table import Table, render

if TYPE_CHECKING:
    from jinja2 import Environment
    from markupsafe import Markup

INTERVAL_BAR = (320.0, 16.0)
"""Width and height of the bar of an accuracy in pixels."""


@dataclass(frozen=True)
class Bar:
    """An accuracy, drawn with its interval.

    Args:
        name: Name of the measured model or method.
        text: The accuracy as text.
        value: The accuracy in per cent.
        low: Lower end of its interval.
        high: Upper end of its interval.
    """

    name: str
    text: str
    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Drawing:
    """Elements of ``fewact.report.svg``.

    Args:
        width: Width in pixels.
        height: Height in pixels.
        parts: Elements, from back to front.
        title: Title for screen readers.
    """

    width: float
    height: float
    parts: tuple[str, ...]
    title: str

    @property
    def file(self) -> str:
        """The drawing as an SVG file."""
        return svg.document(self.width, self.height, self.parts, title=self.title)

    @property
    def inline(self) -> "Markup":
        """The drawing as a part of a page, whose style sheet it shares."""
        return drawing(self.width, self.height, self.parts, title=self.title)


@dataclass(frozen=True)
class Player:
    """A segment of a video, with a player that starts there; Markdown has none.

    Args:
        title: What it shows.
        address: Address of the file, with the times of the segment.
        jpeg: A frame of the segment; empty if there is none.
        facts: Facts of the segment, for the file of its mark, right or wrong; None without marks.
    """

    title: str
    address: str
    jpeg: bytes = b""
    facts: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class Section:
    """A part of a document.

    Args:
        title: Heading.
        text: Paragraphs.
        bars: Accuracies.
        tables: Tables.
        items: Numbered list.
        galleries: Title and JPEG file of images by heading; Markdown has none.
        folded: Whether HTML shows only the heading until it is opened.
        drawing: Drawing; Markdown has none.
        players: Segments of videos.
    """

    title: str
    text: tuple[str, ...] = ()
    bars: tuple[Bar, ...] = ()
    tables: tuple[Table, ...] = ()
    items: tuple[str, ...] = ()
    galleries: Mapping[str, Sequence[tuple[str, bytes]]] = field(default_factory=dict)
    folded: bool = False
    drawing: Drawing | None = None
    players: tuple[Player, ...] = ()


@dataclass(frozen=True)
class Page:
    """A document. Its texts are plain: each format escapes them.

    Args:
        title: Title.
        text: Paragraphs below the title.
        sections: Sections.
        foot: Last line.
    """

    title: str
    text: tuple[str, ...]
    sections: tuple[Section, ...]
    foot: str

    def html(self) -> str:
        """Return the document as an HTML file that needs nothing else."""
        marks = any(player.facts for section in self.sections for player in section.players)
        script = _source("marks.js") if marks else ""
        sha256 = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
        allowed = {"script": script, "sha256": sha256}
        return render_page("report.html.j2", page=self, bar=_bar, data=_data, **allowed)

    def pdf(self) -> bytes:
        """Return the document as a PDF file, A4."""
        return as_pdf(self.html())

    def markdown(self) -> str:
        """Return the document as a Markdown file, without images."""
        return "\n".join(_markdown(self))


def _bar(bar: Bar) -> str:
    """Draw an accuracy over 0 to 100 %, and its interval as a line."""
    (width, height), ends = INTERVAL_BAR, (bar.low, bar.high)
    pale, colour, ink = svg.PALE, svg.COLOURS[0], svg.INK  # unless a style sheet says otherwise

    def x(percent: float) -> float:
        return width * min(max(percent, 0.0), 100.0) / 100

    parts = [
        svg.rectangle(0, 4, width, height - 8, pale, class_="frame"),
        svg.rectangle(0, 4, x(bar.value), height - 8, colour, class_="for"),
        svg.rectangle(x(bar.low), height / 2 - 1, x(bar.high) - x(bar.low), 2, ink, class_="ink"),
        *(svg.rectangle(x(end) - 1, 2, 2, height - 4, ink, class_="ink") for end in ends),
    ]
    return drawing(width, height, parts, title=f"{bar.name}: {bar.text}")


def _data(jpeg: bytes) -> str:
    return f"data:image/jpeg;base64,{base64.b64encode(jpeg).decode()}"


def _markdown(page: Page) -> Iterator[str]:
    yield f"# {markdown_text(page.title)}\n"
    yield from _paragraphs(page.text)
    for section in page.sections:
        yield f"## {markdown_text(section.title)}\n"
        yield from _paragraphs(section.text)
        tables = section.tables
        if section.bars:
            rows = tuple((bar.name, bar.text) for bar in section.bars)
            tables = (Table(("", "accuracy"), rows), *tables)
        for table in tables:
            yield render(table, "markdown")
        if section.items:
            numbered = enumerate(section.items, start=1)
            yield "".join(f"{number}. {markdown_text(text)}\n" for number, text in numbered)
    yield f"{markdown_text(page.foot)}\n"


def _paragraphs(text: tuple[str, ...]) -> Iterator[str]:
    for paragraph in text:
        yield f"{markdown_text(paragraph)}\n"


def render_page(template: str, **values: Any) -> str:
    """Return the page of a template of this package; strings among the values are escaped."""
    template_ = _environment().get_template(template)
    return template_.render(css=_source("page.css"), **values) + "\n"


def _source(name: str) -> "Markup":
    """Return a file of this package that a page contains as it is."""
    from markupsafe import Markup

    environment = _environment()
    if environment.loader is None:
        raise TypeError("the environment has no loader")
    return Markup(environment.loader.get_source(environment, name)[0])


def drawing(width: float, height: float, parts: Iterable[str], *, title: str) -> "Markup":
    """Return elements of ``fewact.report.svg`` as a drawing in a page, whose style sheet it shares.

    The size is in pixels, the title for screen readers.
    """
    from markupsafe import Markup, escape

    inner = f"<title>{escape(title)}</title>" + "".join(parts)
    size = {"viewBox": f"0 0 {width:g} {height:g}", "role": "img"}
    return Markup(svg.element("svg", inner, xmlns="http://www.w3.org/2000/svg", **size))


@cache
def _environment() -> "Environment":
    from jinja2 import Environment, PackageLoader, StrictUndefined

    return Environment(
        loader=PackageLoader("fewact.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def as_pdf(html: str) -> bytes:
    """Return a page of ``render_page`` as a PDF file; it loads nothing but what is in it.

    Raises:
        OptionError: WeasyPrint is not installed, or does not find Pango, its system library.
    """
    try:
        from weasyprint import HTML, LOGGER
        from weasyprint.urls import URLFetcher
    except ImportError as error:
        raise OptionError(
            "a PDF needs weasyprint", hint="Run: pip install 'fewact[pdf]'"
        ) from error
    except OSError as error:
        raise OptionError(
            "a PDF needs the system library Pango",
            got=str(error).splitlines()[0],
            hint="Install it (Debian: libpangoft2-1.0-0, macOS: brew install pango), or write a "
            ".html file and print it from a browser.",
        ) from error
    # Its remarks are about rules of the style sheet that are for screens.
    LOGGER.setLevel(logging.ERROR)
    written = HTML(string=html, url_fetcher=URLFetcher(allowed_protocols=["data"])).write_pdf()
    return bytes(written)
