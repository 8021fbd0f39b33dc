"""``gossan view``: a run's maps as tiles, served to this machine's browser, however large they are.

Inside, each module importing only from those before it: ``layers``, ``page``, ``server``.
"""

from gossan.view.server import ViewServer

__all__ = ["ViewServer"]
