"""HTML pages as PDF files, by WeasyPrint."""

import logging

from fewact.core.errors import OptionError

INSTALL = "Run: pip install 'fewact[pdf]'"


def as_pdf(html: str) -> bytes:
    """Return a page as a PDF file; it may load nothing but what is in it.

    Args:
        html: Page of ``render_page``.

    Raises:
        OptionError: WeasyPrint is not installed, or does not find Pango, its system library.
    """
    try:
        from weasyprint import HTML, LOGGER
        from weasyprint.urls import URLFetcher
    except ImportError as error:
        raise OptionError("a PDF needs weasyprint", hint=INSTALL) from error
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
