"""A plugin of QGIS that runs gossan from the toolbox of Processing."""

from __future__ import annotations

from typing import Any

__all__ = ["classFactory"]


def classFactory(iface: Any) -> Any:
    """Make the plugin; QGIS calls this."""
    from gossan_processing.provider import Plugin

    return Plugin()
