"""Reports as single HTML pages: one template, one style, every picture inside the file."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any, NamedTuple

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup


class Section(NamedTuple):
    """A part of a page: its anchor, its heading, the template of its body."""

    id: str
    title: str
    template: str


class KeyFigure(NamedTuple):
    """A number at the head of a page and what it counts."""

    label: str
    value: str


class Column(NamedTuple):
    """A column of a grid: its heading, and a style class such as "number"."""

    head: str
    kind: str = ""


@dataclass(frozen=True)
class Grid:
    """A table of strings ready to print; `label` names it to a screen reader."""

    label: str
    caption: str
    columns: Sequence[Column]
    rows: Sequence[Sequence[str]]
    foot: Sequence[str] = ()


@dataclass(frozen=True)
class Page:
    """What stands around the sections; `short_title` heads the table of contents."""

    title: str
    short_title: str
    lede: str
    sections: Sequence[Section]
    key_figures: Sequence[KeyFigure] = ()
    footer: str = ""


def render_page(page: Page, pictures: Path, **context: Any) -> str:
    """The page as HTML; templates show `name.svg` of the folder `pictures` by `image("name")`."""
    template = _environment().get_template("base.html")
    return template.render(
        title=page.title,
        short_title=page.short_title,
        lede=page.lede,
        sections=page.sections,
        key_figures=page.key_figures,
        footer=page.footer,
        style=_style(),
        image=lambda name: data_uri(pictures / f"{name}.svg"),
        **context,
    )


def render_part(template: str, **context: Any) -> str:
    """A page that is not made of sections; it gets the same style."""
    return _environment().get_template(template).render(style=_style(), **context)


def data_uri(picture: Path) -> str:
    """An SVG file as a data URI, so that a page needs nothing but itself."""
    return "data:image/svg+xml;base64," + base64.b64encode(picture.read_bytes()).decode("ascii")


@cache
def _environment() -> Environment:
    return Environment(
        loader=PackageLoader("rafce_reports"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )


def _style() -> Markup:
    return Markup((files("rafce_reports") / "templates" / "style.css").read_text(encoding="utf-8"))
