"""Rows of a laboratory table that are no sample of the ground, and the media of those that are."""

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["media_of", "quality_rows", "role_columns"]

_QUALITY = (
    r"qa_?/?qc(_?(type|code|flag))?|qc(_?(type|code|class|category))?|control(_?(type|sample))?"
    r"|(sample|samp)[_ ]?(type|class|code|category|role|kind)|(type|class|category)"
    r"|dup(licate)?([_ ](type|code))?|standard|blank|check[_ ]?type"
)
_MEDIUM = (
    r"(sample|samp)[_ ]?(type|medium|media|material|matrix|class)|medium|media|matrix|material|mat(_?type)?"
    r"|(type|class)"
)
#: what is no ground: standards, blanks, and what repeats another row
_KINDS = {
    "standards": r"std(s|\d*)|standards?|crm(s|\d*)|srm|rm|reference( material)?|certified.*|oreas.*"
    r"|gbm?\d+.*|control",
    "blanks": r"bl(an)?k(s|\d*)|blanks?|field blank|(coarse|pulp) blank|qz[ _-]?blank",
    "duplicates": r"(field|lab|pulp|prep|coarse|crusher)?[ _-]?dup(l|s|\d*|licates?)?"
    r"|rep(eats?|licates?|\d*)?|check|f(ield)?d|reassay|lab(oratory)? repeat|twin",
}
_MOST_MEDIA = 20


def role_columns(columns: Sequence[str]) -> list[str]:
    """Name the columns that may hold the role or the medium of a sample, by their names."""
    wanted = re.compile(f"{_QUALITY}|{_MEDIUM}", re.IGNORECASE)
    return [name for name in columns if wanted.fullmatch(name.strip())]


def quality_rows(cells: "pd.DataFrame") -> dict[str, NDArray[np.bool_]]:
    """Find standards, blanks and duplicates by the columns that say so.

    Parameters
    ----------
    cells
        Text; columns of other names are not looked at.

    Returns
    -------
    For each of ``standards``, ``blanks`` and ``duplicates`` that occurs, the (n,) rows.
    """
    found: dict[str, NDArray[np.bool_]] = {}
    for name in _named(cells, _QUALITY):
        text = _plain(cells[name])
        for kind, pattern in _KINDS.items():
            rows = text.str.lower().str.fullmatch(pattern).to_numpy(dtype=bool)
            if rows.any():
                found[kind] = found.get(kind, np.zeros(len(cells), dtype=bool)) | rows
    taken = np.zeros(len(cells), dtype=bool)
    for rows in found.values():
        rows &= ~taken
        taken |= rows
    return {kind: rows for kind, rows in found.items() if rows.any()}


def media_of(cells: "pd.DataFrame") -> tuple[str, dict[str, int]] | None:
    """Count the media of the samples, the most frequent first.

    Returns
    -------
    The column and the rows of each medium, ``(blank)`` for none; None where no column tells. A column with
    more than 20 different texts tells no medium.
    """
    for name in _named(cells, _MEDIUM):
        counts = _plain(cells[name]).where(lambda text: text != "", "(blank)").value_counts()
        if 0 < len(counts) <= _MOST_MEDIA and set(counts.index) != {"(blank)"}:
            order = sorted(counts.items(), key=lambda item: (-int(item[1]), str(item[0])))
            return name, {str(medium): int(rows) for medium, rows in order}
    return None


def _named(cells: "pd.DataFrame", pattern: str) -> list[str]:
    return [str(one) for one in cells.columns if re.fullmatch(pattern, str(one).strip(), re.IGNORECASE)]


def _plain(cells: "pd.Series[Any]") -> "pd.Series[str]":
    filled = cells.astype(object).where(cells.notna(), "")
    return filled.astype(str).astype(object).str.strip()
