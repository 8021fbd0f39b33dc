"""``MODEL_CARD.md`` from the same dictionary as the page."""

import re
from collections.abc import Callable
from typing import Any

from gossan.report import parts, verdicts, words
from gossan.report.model import ReportModel

__all__ = ["model_card"]


def model_card(report: ReportModel) -> str:
    """Write the model card of a run in Markdown; nothing in it is typed by hand.

    Parameters
    ----------
    report
        The content of ``report.json``; what it lacks is left out or said to be unknown.

    Returns
    -------
    the text of ``MODEL_CARD.md``, the same for the same report. Names of data are escaped: markup in them
    is shown, not obeyed.

    >>> "Licence of the data: unknown" in model_card({"format": 1, "title": "Survey"})
    True
    """
    from jinja2 import ChainableUndefined

    environment = parts.templates().overlay(autoescape=False, undefined=ChainableUndefined)
    functions: dict[str, Callable[[Any], str]] = {
        "estimate": words.estimate,
        "gap": words.gap,
        "measure": words.measure,
        "number": words.number,
        "percent": words.percent,
        "significant": words.significant,
        "md": _escape,
        "code": _code,
    }
    environment.filters.update({name: _of_known(function) for name, function in functions.items()})
    report = words.settled(report)
    text = environment.get_template("model_card.md.jinja").render(
        report=report,
        models=words.by_model(report),
        said=verdicts.sentences(report),
        said_short=words.verdict(report).split(":")[0].capitalize(),
    )
    return re.sub(r"\n{3,}", "\n\n", text)


def _of_known(function: Callable[[Any], str]) -> Callable[[Any], str]:
    """Make a filter to which a missing key is the same as null."""
    from jinja2 import Undefined

    return lambda value: function(None if isinstance(value, Undefined) else value)


def _escape(text: Any) -> str:
    r"""Escape a name for Markdown, on one line.

    >>> _escape("<b>a|b</b>\n*c*")
    '&lt;b&gt;a\\|b&lt;/b&gt; \\*c\\*'
    """
    if text is None:
        return words.NONE
    line = " ".join(words.named(text).split())
    plain = line.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return re.sub(r"([\\`*_\[\]|#])", r"\\\1", plain)


def _code(text: Any) -> str:
    """Put a command into a code span that its own backticks cannot end.

    >>> _code("a"), _code("a `b` c")
    ('`a`', '``a `b` c``')
    """
    line = " ".join(str(text).split())
    runs = [len(run) for run in re.findall(r"`+", line)]
    fence = "`" * (max(runs, default=0) + 1)
    room = " " if line.startswith("`") or line.endswith("`") else ""
    return f"{fence}{room}{line}{room}{fence}"
