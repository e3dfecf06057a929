"""Pages for people: one file each, readable without a network, a script or a mouse, and fit to print.

Knows templates, figures and how to make what strangers wrote harmless. It must not know what
a page is about.
"""

import base64
import io
from functools import cache
from typing import TYPE_CHECKING, Any

import nh3
from markupsafe import Markup, escape

if TYPE_CHECKING:
    from jinja2 import Environment
    from matplotlib.figure import Figure

POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
"""Content-Security-Policy of every page: no script runs, nothing is fetched."""

COLOURS = ("#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#56B4E9", "#000000")
"""Okabe and Ito's, which colour-blind readers can tell apart (*Color Universal Design*, 2008)."""

_TABLE_TAGS = {
    "table", "thead", "tbody", "tfoot", "tr", "th", "td", "caption", "p", "br", "b", "i", "em", "strong",
    "code", "pre", "sub", "sup", "ul", "ol", "li", "div", "span",
}  # fmt: skip
_TABLE_ATTRIBUTES = {"th": {"colspan", "rowspan", "scope"}, "td": {"colspan", "rowspan"}}


def render(template: str, **values: Any) -> str:  # noqa: ANN401 - whatever the template shows
    """The HTML page that `template`, a file of ``civicml/templates``, makes of `values`.

    Every value is escaped, unless it is ``Markup``. A value that the template misses is an error.
    """
    return _environment().get_template(template).render(policy=Markup(POLICY), **values)  # noqa: S704


@cache
def _environment() -> "Environment":
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("civicml"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["points"] = points
    environment.filters["share"] = lambda value: f"{value:.0%}"
    return environment


def points(value: float) -> str:
    """A number of points as people write it: 4, 2.5."""
    return f"{value:.2f}".rstrip("0").rstrip(".")


def drawing(figure: "Figure", description: str) -> Markup:
    """A figure as an image in the page, with what is to be seen in words beside it.

    Args:
        figure: made without pyplot, so that it is nobody else's.
        description: what is to be seen, with its numbers; it is printed below the image too.
    """
    file = io.BytesIO()
    # A date would make two pages of the same data differ.
    figure.savefig(file, format="svg", metadata={"Date": None, "Title": description})
    return picture(file.getvalue(), "svg+xml", description)


def picture(content: bytes, form: str, description: str) -> Markup:
    """An image in the page, with what is to be seen in words beside it; nothing in it can act.

    Args:
        content: of the file.
        form: the part of its media type after ``image/``.
        description: what is to be seen, with its numbers; it is printed below the image too.
    """
    source = base64.b64encode(content).decode()
    return Markup(
        '<figure><img src="data:image/{form};base64,{source}" alt="{text}">'
        "<figcaption>{text}</figcaption></figure>"
    ).format(form=form, source=source, text=description)


def photograph(png: str, description: str) -> Markup:
    """A PNG that a notebook holds, as base64, in the page; a note in its place if it is none."""
    try:
        content = base64.b64decode("".join(png.split()), validate=True)
    except ValueError:
        content = b""
    if not content.startswith(b"\x89PNG\r\n\x1a\n"):
        return Markup("<p class='note'>A picture is left out: it is not a PNG.</p>")
    source = base64.b64encode(content).decode()
    return Markup('<img src="data:image/png;base64,{}" alt="{}">').format(source, description)


def prose(markdown: str) -> Markup:
    """Markdown as HTML; HTML inside it is shown as text, and links lead to web pages only.

    Its headings come below those of the page: a first-level one becomes the third.
    """
    parser = _markdown()
    tokens = parser.parse(markdown)
    for token in tokens:
        if token.type in ("heading_open", "heading_close"):
            token.tag = f"h{min(6, int(token.tag[1]) + 2)}"
    html = parser.renderer.render(tokens, parser.options, {})
    return Markup(nh3.clean(html, url_schemes={"http", "https", "mailto"}))  # noqa: S704


@cache
def _markdown() -> Any:  # noqa: ANN401 - its package has no types
    from markdown_it import MarkdownIt

    return MarkdownIt("commonmark", {"html": False}).enable("table")


def table_only(html: str) -> Markup:
    """The tables and plain text of HTML that somebody else wrote; scripts, styles, links and pictures go."""
    return Markup(  # noqa: S704 - cleaned
        nh3.clean(
            html,
            tags=_TABLE_TAGS,
            attributes=_TABLE_ATTRIBUTES,
            clean_content_tags={"script", "style", "iframe", "svg", "math", "template", "noscript"},
            link_rel=None,
        )
    )


def terminal(text: str) -> Markup:
    """What a program printed: colours and control characters go, nothing is markup."""
    return escape("".join(letter for letter in uncoloured(text) if letter in "\n\t" or letter.isprintable()))


def uncoloured(text: str) -> str:
    """What a program printed, without a terminal's colours."""
    from nbconvert.filters import strip_ansi

    return str(strip_ansi(text))  # type: ignore[no-untyped-call]


def code(source: str) -> Markup:
    """Python, coloured with the page's own style."""
    from pygments import highlight
    from pygments.formatters import HtmlFormatter
    from pygments.lexers import PythonLexer

    return Markup(highlight(source, PythonLexer(), HtmlFormatter(cssclass="code", wrapcode=True)))  # noqa: S704


@cache
def code_style() -> Markup:
    """The style sheet of `code`: Pygments' default, whose contrast is enough to be read."""
    from pygments.formatters import HtmlFormatter

    return Markup(HtmlFormatter(cssclass="code").get_style_defs(".code"))  # noqa: S704
