"""``python -m gossan``."""

import sys

from gossan.cli import main

if __name__ == "__main__":
    sys.exit(main())
