"""HTML pages by Jinja2: every name is escaped, style and images are in the page."""

from collections.abc import Iterable
from functools import cache
from typing import TYPE_CHECKING, Any

from fewact.core import svg

if TYPE_CHECKING:
    from jinja2 import Environment
    from markupsafe import Markup


def render_page(template: str, **values: Any) -> str:
    """Return a page.

    Args:
        template: Name of a template of this package.
        values: Values that the template shows; strings are escaped.
    """
    from markupsafe import Markup

    environment = _environment()
    if environment.loader is None:
        raise TypeError("the environment has no loader")
    style, _, _ = environment.loader.get_source(environment, "page.css")
    return environment.get_template(template).render(css=Markup(style), **values) + "\n"


def drawing(width: float, height: float, parts: Iterable[str], *, title: str) -> "Markup":
    """Return SVG elements as a drawing inside a page, whose style sheet it shares.

    Args:
        width: Width in pixels.
        height: Height in pixels.
        parts: Elements of ``fewact.core.svg``, which escapes their texts.
        title: Title for screen readers.
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
