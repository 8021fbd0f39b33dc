"""The tables as CSV, Markdown and LaTeX, written as the paper writes them and with what it leaves out."""

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from gossan.study.collect import MEASURES, Gap, Line, Spread

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["TITLES", "cut", "latex", "lines_table", "markdown", "screening_table", "shown_table"]

TITLES = {
    2: "Screening of the elements",
    3: "Methods",
    4: "Ablations",
    5: "Weight of the self-distillation, beta",
    6: "Dilation rates",
}
#: Column heads of the measures.
_HEADS = {
    "accuracy": "Accuracy",
    "auc": "AUC",
    "recall_ore": "Recall",
    "f1_ore": "F1 (ore)",
    "f1_macro": "F1 (macro)",
    "f1_weighted": "F1 (weighted)",
    "average_precision": "AP",
}


def cut(value: float, digits: int = 4) -> str:
    """Write a number as the paper's Table 2 does: further digits are cut off, not rounded.

    >>> cut(147 / 244), cut(-0.99999)
    ('0.6024', '-0.9999')
    """
    if not math.isfinite(value):
        return ""
    scale = 10**digits
    # A billionth of the last digit is rounding of the number itself: 0.57 * 1e4 is 5699.999...
    return f"{math.trunc(value * scale + math.copysign(1e-9, value)) / scale:.{digits}f}"


def screening_table(screening: "pd.DataFrame") -> "pd.DataFrame":
    """Make Table 2: element, AUC, Z_AUC (both cut to 4 digits, as printed), p of the null, and the selection.

    Parameters
    ----------
    screening
        As `gossan.screen.screen_elements` returns it.
    """
    import pandas as pd

    return pd.DataFrame(
        {
            "Element": screening["element"],
            "AUC": [cut(value) for value in screening["auc"]],
            "Z_AUC": [cut(value) for value in screening["z_auc"]],
            "p": ["" if math.isnan(value) else f"{value:.3g}" for value in screening["p"]],
            "Selected": ["yes" if keep else "" for keep in screening["keep"]],
        }
    )


def lines_table(lines: Sequence[Line]) -> "pd.DataFrame":
    """Put every number of the lines into columns, for ``.csv``: shares in [0, 1], differences row - base."""
    import pandas as pd

    rows = []
    for line in lines:
        row: dict[str, Any] = {
            "table": line["table"],
            "protocol": line["protocol"],
            "method": line["label"],
            "in_paper": not line["extra"],
            "runs": line["runs"],
            "failed": line["failed"],
            "against": line["against"],
        }
        for name in MEASURES:
            row |= {
                f"{name}_mean": line["measures"][name]["mean"],
                f"{name}_sd": line["measures"][name]["sd"],
            }
            gap: Mapping[str, Any] = line["gaps"].get(name, {"mean": None, "seeds": None, "camps": None})
            row[f"{name}_difference"] = gap["mean"]
            for kind in ("seeds", "camps"):
                low, high = gap[kind] or (None, None)
                row |= {f"{name}_{kind}_low": low, f"{name}_{kind}_high": high}
        rows.append(row)
    return pd.DataFrame(rows)


def shown_table(lines: Sequence[Line]) -> "pd.DataFrame":
    """Make the table that is read: per cent, mean and standard deviation over seeds, AUC beside the base."""
    import pandas as pd

    bases = {line["against"] for line in lines if line["gaps"]}
    named = len(bases) > 1
    column = "AUC against the base" if named else f"AUC against {next(iter(bases), '')}".rstrip()
    rows = []
    for line in lines:
        row = {"Methods": line["label"]}
        row |= {_HEADS[name]: _percent(line["measures"][name]) for name in MEASURES}
        gap = line["gaps"].get("auc")
        row[column] = "" if gap is None else (f"{line['against']}: " if named else "") + _gap(gap)
        rows.append(row)
    return pd.DataFrame(rows)


def _percent(found: Spread) -> str:
    if found["mean"] is None:
        return ""
    mean = f"{100 * found['mean']:.2f}"
    return mean if found["sd"] is None else f"{mean} ± {100 * found['sd']:.2f}"


def _gap(gap: Gap) -> str:
    """Write a difference in points with its intervals: [over seeds] (over camps)."""
    if gap["mean"] is None:
        return "none"
    text = f"{100 * gap['mean']:+.1f}"
    if gap["seeds"]:
        text += " [{:+.1f}, {:+.1f}]".format(*(100 * end for end in gap["seeds"]))
    if gap["camps"]:
        text += " ({:+.1f}, {:+.1f})".format(*(100 * end for end in gap["camps"]))
    return text


def markdown(title: str, head: str, table: "pd.DataFrame", *, line_before: int | None = None) -> str:
    """Write a table in Markdown under its title and what must be known to read it.

    Parameters
    ----------
    line_before
        Number of the first row that the paper does not have; a row of rules goes before it.
    """
    rows = [_marked_row(row) for row in table.astype(str).itertuples(index=False)]
    if line_before is not None and 0 < line_before < len(rows):
        rows.insert(line_before, _marked_row(["*not in the paper:*", *[""] * (len(table.columns) - 1)]))
    rules = "|" + "---|" * len(table.columns)
    return "\n".join([f"## {title}", "", head, "", _marked_row(table.columns), rules, *rows]) + "\n"


def _marked_row(cells: Any) -> str:
    texts = (str(cell).replace("\\", "\\\\").replace("|", "\\|") for cell in cells)
    return "| " + " | ".join(texts) + " |"


#: What LaTeX reads as commands.
_TEX = {
    "\\": r"\textbackslash{}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "±": r"$\pm$",
}


def latex(title: str, head: str, table: "pd.DataFrame", *, line_before: int | None = None) -> str:
    """Write a table for LaTeX with the package ``booktabs``; parameters as for `markdown`."""
    rows = [" & ".join(map(_tex, row)) + r" \\" for row in table.astype(str).itertuples(index=False)]
    if line_before is not None and 0 < line_before < len(rows):
        rows.insert(line_before, r"\midrule")
    return "\n".join(
        [
            r"\begin{table}",
            rf"\caption{{{_tex(title)}. {_tex(head)}}}",
            rf"\begin{{tabular}}{{{'l' * len(table.columns)}}}",
            r"\toprule",
            " & ".join(map(_tex, table.columns)) + r" \\",
            r"\midrule",
            *rows,
            r"\bottomrule",
            r"\end{tabular}",
            r"\end{table}",
            "",
        ]
    )


def _tex(text: Any) -> str:
    return "".join(_TEX.get(letter, letter) for letter in str(text))
