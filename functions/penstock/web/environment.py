"""The templates, read from the package on first use. Everything is escaped, a name that is not there is an error."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from penstock.core.values import dotted
from penstock.web import hierarchy, text


@cache
def stylesheet() -> str:
    """The one stylesheet, put into every page; its hash is in the content security policy."""
    return files("penstock.web").joinpath("static/penstock.css").read_text("utf-8")


@cache
def environment() -> Environment:
    made = Environment(
        loader=PackageLoader("penstock.web"), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    made.filters.update(
        show=text.show, prose=text.prose, visible=text.visible, n=text.number, moment=text.moment, time=text.time_tag,
        words=text.words, dotted=dotted, duration=text.duration, kind=text.kind, plain=text.plain, chosen=text.chosen,
    )  # fmt: skip
    made.globals.update(fields_shown=60, findings_shown=20)  # of one change; documents may have 40,000 fields
    made.globals.update(choices_shown=20)  # of one decision
    made.globals.update(moves=hierarchy.moves)
    style = Markup(stylesheet())  # noqa: S704 - a file of the package
    made.globals.update(link=text.link, plural=text.plural, percent=text.percent, stylesheet=style)
    return made


@cache
def _plain() -> Environment:
    """For the text part of a mail, which is no HTML: the one place without escaping."""
    return environment().overlay(autoescape=False)


def render(template: str, **facts: Any) -> str:
    return environment().get_template(template).render(**facts)


def render_text(template: str, **facts: Any) -> str:
    return _plain().get_template(template).render(**facts)
