"""The project file: every setting of every room, read, checked, completed and written.

The settings themselves live in the rooms that use them, as frozen dataclasses with defaults, units and
ranges; this package only composes them, and makes from them the template, the JSON Schema and the table
of the documentation. What a number may be beyond its type stands in one table, `LIMITS`.
"""

from gossan.config.load import check_overrides, from_values, load_project, parse_override
from gossan.config.settings import LIMITS, Limit, Project, ProjectSettings, Settings
from gossan.config.write import json_schema, located, new_project, settings_table, template, to_toml

__all__ = [
    "LIMITS",
    "Limit",
    "Project",
    "ProjectSettings",
    "Settings",
    "check_overrides",
    "from_values",
    "json_schema",
    "load_project",
    "located",
    "new_project",
    "parse_override",
    "settings_table",
    "template",
    "to_toml",
]
