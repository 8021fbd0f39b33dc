"""Gather what the long tests wrote into `docs/results/soak.json`, the figures of a whole `make soak`.

python scripts/soak_figures.py FILE SHARE SECONDS  # FILE: what GOSSAN_SOAK_FIGURES named

Of a share of the soak the figures are only printed: the file holds those of all of it.
"""

import json
import os
import platform
import sys
from pathlib import Path
from typing import Any

RESULT = Path(__file__).parents[1] / "docs" / "results" / "soak.json"


def main(figures: str, share: str, seconds: str) -> None:
    """Write the file, or print what it would hold."""
    lines = Path(figures).read_text(encoding="utf-8").splitlines()
    rows = sorted((json.loads(line) for line in lines), key=lambda row: str(row["test"]))
    found = {
        "format": 1,
        "command": f"make soak SOAK_SHARE={share}" if float(share) != 1 else "make soak",
        "machine": f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}",
        "seconds": int(seconds),
        "totals": _totals(rows),
        "rows": rows,
    }
    text = json.dumps(found, indent=1, ensure_ascii=False) + "\n"
    if float(share) == 1:
        RESULT.write_text(text, encoding="utf-8")
    print(text if float(share) != 1 else f"written: {RESULT}")


def _totals(rows: list[dict[str, Any]]) -> dict[str, dict[str, float]]:
    """Sum up the parts of each test, and take the slowest."""
    found: dict[str, dict[str, float]] = {}
    for row in rows:
        name = "fuzz" if row["test"].startswith("fuzz ") else row["test"].partition(", part")[0]
        if name != row["test"]:
            total = found.setdefault(name, {})
            for key in ("kills", "runs", "cases", "read", "inputs"):
                if key in row:
                    total[key] = total.get(key, 0) + row[key]
            if "slowest_s" in row:
                total["slowest_s"] = max(total.get("slowest_s", 0), row["slowest_s"])
    return found


if __name__ == "__main__":
    main(*sys.argv[1:])
