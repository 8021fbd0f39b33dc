"""What the long tests share: how much of them is run, and where their figures go."""

import json
import os

SHARE = float(os.environ.get("GOSSAN_SOAK_SHARE", "1"))


def note(what, **figures):
    """Append what was measured to the file that GOSSAN_SOAK_FIGURES names, one JSON object a line."""
    if path := os.environ.get("GOSSAN_SOAK_FIGURES"):
        with open(path, "a", encoding="utf-8") as file:
            file.write(json.dumps({"test": what, **figures}) + "\n")
