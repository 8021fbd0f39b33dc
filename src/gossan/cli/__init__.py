"""The command line: every command reads its options, calls the package, and shows what came of it.

Exit codes: 0 done, 1 the run failed, 2 wrong usage or project file, 3 the data were refused,
130 interrupted. An error is one line on stderr; results go to stdout, everything else to stderr.
"""

from gossan.cli.entry import main
from gossan.cli.options import app

__all__ = ["app", "main"]
