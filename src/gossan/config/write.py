"""What is made from the settings: the resolved project, the template, the JSON Schema, the table."""

import inspect
import re
import typing
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import MISSING, Field, fields, replace
from functools import cache
from typing import Any

from gossan.config.load import adapter, checked, parse_override, toml_value, words
from gossan.config.settings import LIMITS, MANY, OPTIONAL, REQUIRED, Project, Settings, sections
from gossan.errors import UsageError

__all__ = ["json_schema", "located", "new_project", "settings_table", "template", "to_toml"]


def located(project: Project) -> Project:
    """Give the project with every path absolute, so that its file can be written anywhere."""

    def at(path: str | None) -> str | None:
        return None if path is None else str(project.resolve(path))

    def moved(source: Any) -> Any:
        return None if source is None else replace(source, path=at(source.path))

    place = project.project
    return replace(
        project,
        project=replace(place, data=at("."), area=at(place.area), truth=at(place.truth)),
        samples=moved(project.samples),
        deposits=moved(project.deposits),
        geology=moved(project.geology),
        faults=moved(project.faults),
        rasters=tuple(moved(source) for source in project.rasters),
        exclude=tuple(moved(source) for source in project.exclude),
        tenure=tuple(moved(source) for source in project.tenure),
    )


def to_toml(project: Settings) -> str:
    """Write every value, defaults included; `load_project` reads the same project from it.

    A key without a value stands there as a comment.
    """
    lines: list[str] = []
    for name, _ in sections():
        section = getattr(project, name)
        many = isinstance(section, tuple)
        for room in section if many else [section] if section else []:
            values = {field.name: getattr(room, field.name) for field in fields(room)}
            lines += ["", f"[[{name}]]" if many else f"[{name}]"]
            lines += [
                f"# {key} is not set" if value is None else f"{key} = {toml_value(value)}"
                for key, value in values.items()
            ]
    return "\n".join([*lines[1:], ""])


def new_project(
    values: Mapping[str, Any],
    overrides: Sequence[str] = (),
    *,
    name: str,
    notes: Mapping[str, str] | None = None,
) -> str:
    """Write a commented project file once its values have passed the checks of one that is read.

    Parameters
    ----------
    values
        What to fill in, by key such as ``samples.path`` or ``rasters.0.path``; ``project.crs`` may be left
        empty.
    overrides
        ``key=value`` settings that come on top, as of `load_project`.
    name
        Name that the project takes from its file.
    notes
        By key, why a value was guessed; not written beside a key that ``overrides`` gives.

    Raises
    ------
    UsageError
        As of `load_project`.
    """
    data: dict[str, Any] = {}
    for key, value in values.items():
        section, *number, leaf = key.split(".")
        if number:
            places = data.setdefault(section, [])
            places += [{} for _ in range(len(places), int(number[0]) + 1)]
            places[int(number[0])][leaf] = value
        else:
            data.setdefault(section, {})[leaf] = value
    settings = checked(data, overrides, name=name, crs_open=True)
    firm = {parse_override(text)[0] for text in overrides}
    guessed = {key: why for key, why in (notes or {}).items() if key not in firm}
    return template(dict(_given(settings, data)), guessed)


def _given(settings: Settings, data: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Give each key that the sections name, with its checked value."""
    for name, held in data.items():
        section = getattr(settings, name)
        many = isinstance(section, tuple)
        for number, (room, keys) in enumerate(zip(section, held, strict=True) if many else [(section, held)]):
            place = f"{name}.{number}" if many else name
            yield from ((f"{place}.{key}", getattr(room, key)) for key in keys)


def template(values: Mapping[str, Any] | None = None, notes: Mapping[str, str] | None = None) -> str:
    """Write a commented project file from the rooms' own descriptions and defaults.

    Parameters
    ----------
    values
        What to fill in, by key such as ``samples.path`` or ``rasters.0.path``. Every other key stands
        there commented out with its default, and so does an optional source without a value.
    notes
        By key, why its value was guessed; written above it as ``# guess: ...``.

    Raises
    ------
    UsageError
        When a key does not exist.
    """
    given = {**dict.fromkeys(REQUIRED, ""), **(values or {})}
    known = {f"{name}.{field.name}" for name, room in sections() for field in fields(room)}
    unknown = [key for key in given if re.sub(rf"^({'|'.join(MANY)})\.\d+\.", r"\1.", key) not in known]
    if unknown:
        raise UsageError(f"unknown keys {', '.join(sorted(unknown))}; a key is like samples.path")
    lines = ["# A gossan project: what is commented out shows its default."]
    for name, room in sections():
        used = name not in OPTIONAL or any(key.startswith(f"{name}.") for key in given)
        header = f"[[{name}]]" if name in MANY else f"[{name}]"
        for place in _places(name, given):
            lines += ["", f"# {_summary(room)}", header if used else f"# {header}"]
            for field in fields(room):
                note = (notes or {}).get(f"{place}.{field.name}", "")
                meaning = _meaning(room, field.name)
                lines += _template_lines(f"{place}.{field.name}", meaning, field, given, note)
    return "\n".join([*lines, ""])


def _places(name: str, given: Mapping[str, Any]) -> list[str]:
    """List where a section stands: once, or once for each of its numbers."""
    numbers = {int(parts[1]) for parts in (key.split(".") for key in given) if parts[:-2] == [name]}
    return [f"{name}.{number}" for number in sorted(numbers)] or [name]


def _template_lines(
    key: str, meaning: str, field: "Field[Any]", given: Mapping[str, Any], note: str
) -> list[str]:
    # a note may hold names from a file: on one line, so that none of it is read as a setting
    guess = [f"# guess: {' '.join(note.split())}"] if note else []
    comment = [*([f"# {meaning}"] if meaning else []), *guess]
    if key in given:
        needed = "  # required" if key in REQUIRED else ""
        return [*comment, f"{field.name} = {toml_value(given[key])}{needed}"]
    default = _default(field)
    return [*comment, f"# {field.name} =" + ("" if default is None else f" {toml_value(default)}")]


def json_schema() -> dict[str, Any]:
    """Describe the project file as JSON Schema, for editors that complete and check it."""
    schema: dict[str, Any] = adapter().json_schema()
    schema |= {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "gossan project"}
    for name, room in sections():
        properties = schema["$defs"][room.__name__]["properties"]
        for field in fields(room):
            entry = properties[field.name]
            entry["description"] = _meaning(room, field.name)
            if limit := LIMITS.get(f"{name}.{field.name}"):
                for place in _numbers(entry):
                    place |= limit.schema
    return schema


def _numbers(schema: dict[str, Any]) -> list[dict[str, Any]]:
    """Find the places of a key's schema that a number's limits belong to."""
    inner = [*schema.get("anyOf", []), *([schema["items"]] if "items" in schema else [])]
    here = [schema] if schema.get("type") in ("integer", "number") else []
    return [*here, *(place for each in inner for place in _numbers(each))]


def settings_table() -> str:
    """Describe every key in Markdown, a table per section, for the documentation."""
    lines: list[str] = []
    for name, room in sections():
        header = f"[[{name}]]" if name in MANY else f"[{name}]"
        lines += ["", f"### `{header}`", "", _summary(room), ""]
        lines += ["| key | allowed | default | meaning |", "|---|---|---|---|"]
        hints = typing.get_type_hints(room)
        for field in fields(room):
            limit = LIMITS.get(f"{name}.{field.name}")
            allowed = words(hints[field.name]) + (f", {limit}" if limit else "")
            meaning = _meaning(room, field.name).replace("|", "\\|")
            lines.append(f"| `{field.name}` | {allowed} | {_shown(field)} | {meaning} |")
    return "\n".join([*lines[1:], ""])


def _shown(field: "Field[Any]") -> str:
    if field.default is MISSING and field.default_factory is MISSING:
        return "*required*"
    return "" if _default(field) is None else f"`{toml_value(_default(field))}`"


def _default(field: "Field[Any]") -> Any:
    if field.default_factory is not MISSING:
        return field.default_factory()
    return None if field.default is MISSING else field.default


# ---- what the dataclasses' docstrings say


def _summary(room: Any) -> str:
    first = (inspect.getdoc(room) or "").partition("\n")[0]
    return re.sub(r"^(One of )?``\[+\w+\]+``[ :,]*", "", first)


@cache
def _meanings(room: Any) -> Mapping[str, str]:
    """Read the ``Attributes`` of a NumPy docstring: name -> description on one line."""
    text = inspect.getdoc(room) or ""
    section = re.search(r"^Attributes\n-+\n(.*?)(?=^\S[^\n]*\n---|\Z)", text, re.M | re.S)
    entries = re.findall(r"^(\S[^\n]*)\n((?:[ \t]+[^\n]*\n?|\n)+)", section[1] if section else "", re.M)
    pairs = ((name, meaning) for heads, meaning in entries for name in heads.split(" :")[0].split(","))
    return {name.strip(" `"): " ".join(meaning.split()) for name, meaning in pairs}


def _meaning(room: Any, name: str) -> str:
    return _meanings(room).get(name, "")
