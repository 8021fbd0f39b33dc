"""Reading a project file, and refusing in one line what cannot be right."""

import difflib
import json
import tomllib
import typing
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal, cast

from gossan.budget import budget_problems
from gossan.config.settings import LIMITS, MANY, OPTIONAL, REQUIRED, Project, Settings, members, sections
from gossan.errors import MissingFileError, UsageError

__all__ = [
    "adapter",
    "check_overrides",
    "checked",
    "from_values",
    "load_project",
    "parse_override",
    "toml_value",
    "words",
]

#: Of a project, what no project file says.
_NOT_WRITTEN = ("file", "overrides")


def load_project(path: str | Path, overrides: Sequence[str] = ()) -> Project:
    """Read a project file, check every value and fill in the defaults.

    Parameters
    ----------
    path
        The project file, TOML.
    overrides
        ``key=value`` settings that replace the file's, such as ``model.name=resnet18`` or
        ``rasters.0.path="dem.tif"``. A value is read as TOML, and as plain text where it is none.

    Raises
    ------
    UsageError
        When the file is missing or no TOML, when a key is unknown or missing, when a value is of the
        wrong type or out of range, or when the CRS is not projected in metres.
    """
    file = Path(path)
    settings = checked(_read_toml(file), overrides, name=file.stem)
    return Project(**_sections_of(settings), file=file.absolute(), overrides=tuple(overrides))


def checked(
    data: dict[str, Any], overrides: Sequence[str] = (), *, name: str, crs_open: bool = False
) -> Settings:
    """Put ``key=value`` settings into sections, and check them as a project file is checked.

    Parameters
    ----------
    data
        The sections; the settings are written into them.
    overrides
        As of `load_project`.
    name
        Name of the project where none is given.
    crs_open
        Let the CRS be empty, to be filled in later.

    Raises
    ------
    UsageError
        As of `load_project`.
    """
    for override in overrides:
        _override(data, override)
    section = data.get("project")
    named = {"project": {"name": name, **section}} if isinstance(section, dict) else {}
    settings = _validate({**data, **named})
    _check(settings, crs_open)
    return settings


def check_overrides(overrides: Sequence[str]) -> Settings:
    """Check ``key=value`` settings where there is no project, and give them among the defaults.

    >>> check_overrides(["training.device=cpu"]).training.device
    'cpu'

    Raises
    ------
    UsageError
        As of `load_project`.
    """
    data: dict[str, Any] = {section: {key: "-"} for section, key in (name.split(".") for name in REQUIRED)}
    data["project"] = {"crs": "EPSG:32650"}
    for override in overrides:
        section, _, rest = parse_override(override)[0].partition(".")
        number = rest.partition(".")[0]
        if section in MANY and number.isdecimal() and len(number) < 4:
            sources = data.setdefault(section, [])
            sources += [{"path": "-"} for _ in range(len(sources), int(number) + 1)]
        elif section in OPTIONAL and section not in MANY:
            data.setdefault(section, {"path": "-"})
    return checked(data, overrides, name="survey")


def from_values(values: Mapping[str, Any]) -> Project:
    """Make a project of the sections that `dataclasses.asdict` gave, or JSON of them.

    Sections and keys that are left out take their defaults; types are checked, ranges and files are not.

    Raises
    ------
    UsageError
        When a key is unknown or missing, or of the wrong type.
    """
    settings = _validate({name: section for name, section in values.items() if name not in _NOT_WRITTEN})
    return Project(**_sections_of(settings))


def _sections_of(settings: Settings) -> dict[str, Any]:
    return {field.name: getattr(settings, field.name) for field in fields(Settings)}


def _read_toml(file: Path) -> dict[str, Any]:
    if not file.exists():
        raise MissingFileError(f"project file {file} does not exist; `gossan init` writes one")
    try:
        return tomllib.loads(file.read_text(encoding="utf-8-sig"))
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"project file {file} is not valid TOML: {error}") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"project file {file} is not UTF-8 text; save it as UTF-8") from error
    except OSError as error:
        raise UsageError(f"project file {file} cannot be read: {error.strerror}") from error


# ---- --set key=value


def parse_override(text: str) -> tuple[str, Any]:
    """Read ``key=value``; the value as TOML, and as plain text where it is none.

    >>> parse_override("windows.size=64"), parse_override("model.name=resnet18")
    (('windows.size', 64), ('model.name', 'resnet18'))

    Raises
    ------
    UsageError
        When it has another form.
    """
    key, equals, value = (part.strip() for part in text.partition("="))
    if not equals or "" in key.split("."):
        raise UsageError(f"--set {text}: give key=value with the key's section, such as windows.size=64")
    return key, _read_value(value)


def _override(data: dict[str, Any], text: str) -> None:
    key, value = parse_override(text)
    steps = [int(part) if part.isdecimal() else part for part in key.split(".")]
    if not _assign(data, steps, value):
        raise UsageError(f"--set {text}: there is no {key}; lists count from 0, as in rasters.0.path")


def _assign(place: Any, steps: Sequence[int | str], value: Any) -> bool:
    """Put a value where the steps lead; False where they lead nowhere."""
    step, *rest = steps
    if isinstance(place, list) and isinstance(step, int) and step <= len(place):
        place.extend([{}] if step == len(place) else [])
    elif isinstance(place, dict) and isinstance(step, str):
        place.setdefault(step, [] if rest and isinstance(rest[0], int) else {})
    else:
        return False
    if rest:
        return _assign(place[step], rest, value)
    place[step] = value
    return True


def _read_value(text: str) -> Any:
    try:
        found = tomllib.loads(f"value = {text}")
    except tomllib.TOMLDecodeError:
        return text
    return found["value"] if len(found) == 1 else text


# ---- types and unknown keys: pydantic finds, we say it


@cache
def adapter() -> Any:
    """Give pydantic's view of the settings; made once, since that takes a while."""
    from pydantic import TypeAdapter

    return TypeAdapter(Settings)


def _validate(data: Mapping[str, Any]) -> Settings:
    from pydantic import ValidationError

    try:
        # as JSON, where a list may stand for a tuple and a table for a dataclass although types are strict
        return cast(Settings, adapter().validate_json(json.dumps(data, default=str)))
    except ValidationError as error:
        problems = dict.fromkeys(_explain(found, data) for found in error.errors(include_url=False))
        raise UsageError("; ".join(problems)) from error


def _explain(error: Mapping[str, Any], data: Mapping[str, Any]) -> str:
    """Say in the words of the project file what one of pydantic's errors means."""
    steps, parent, kind = _locate(error["loc"])
    key = ".".join(str(step) for step in steps)
    if error["type"] == "unexpected_keyword_argument":
        return _unknown_key(key, parent)
    if error["type"] == "missing":
        needed = next((name for name in REQUIRED if name.startswith(f"{key}.")), key)
        return f"{needed} is missing; every project needs {', '.join(REQUIRED)}, and every source a path"
    value: Any = data
    for step in steps:
        value = value[step]
    return f"{key} = {toml_value(value)} is refused; it must be {words(kind)}"


def _locate(location: Sequence[str | int]) -> tuple[list[str | int], Any, Any]:
    """Follow pydantic's path: the steps to a value, the dataclass it stands in, the type it must have."""
    steps: list[str | int] = []
    parent: Any = None
    kind: Any = Settings
    for step in location:
        inner = members(kind)[0] if len(members(kind)) == 1 else kind
        if is_dataclass(inner):
            parent, kind = inner, typing.get_type_hints(inner).get(str(step))
        elif typing.get_origin(inner) is tuple and isinstance(step, int):
            kind = typing.get_args(inner)[0]
        else:
            break  # what follows names the member of a union that did not fit
        steps.append(step)
    return steps, parent, kind


def _unknown_key(key: str, parent: Any) -> str:
    *above, leaf = key.split(".")
    here = [".".join([*above, field.name]) for field in fields(parent)]
    everywhere = [f"{name}.{field.name}" for name, room in sections() for field in fields(room)]
    same = [other for other in everywhere if other.endswith(f".{leaf}")]
    near = same or difflib.get_close_matches(key, here, n=1, cutoff=0)
    return f"unknown key '{key}'; did you mean '{near[0]}'? Known here: {', '.join(here)}"


def words(kind: Any) -> str:
    """Say what a type allows.

    >>> words(int | Literal["all"])
    'a whole number or "all"'
    """
    if len(members(kind)) > 1:
        return _or([words(member) for member in members(kind)])
    (kind,) = members(kind)
    if typing.get_origin(kind) is Literal:
        return _or([toml_value(choice) for choice in typing.get_args(kind)])
    if typing.get_origin(kind) is tuple:
        return f"a list, each item {words(typing.get_args(kind)[0])}"
    plain = {int: "a whole number", float: "a number", str: "text in quotes", bool: "true or false"}
    return plain.get(kind, "a table of keys")


def _or(choices: Sequence[str]) -> str:
    return " or ".join(filter(None, [", ".join(choices[:-1]), choices[-1]]))


def toml_value(value: Any) -> str:
    """Write one value as TOML.

    >>> toml_value(("Cu", 1.0, True))
    '["Cu", 1.0, true]'
    """
    if isinstance(value, list | tuple):
        return f"[{', '.join(toml_value(item) for item in value)}]"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{key} = {toml_value(item)}' for key, item in value.items())}}}"
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    return str(value).lower() if isinstance(value, bool) else repr(value)


# ---- checks that a type cannot make


def _check(settings: Settings, crs_open: bool) -> None:
    problems = [*_out_of_range(settings), *_empty_paths(settings)]
    name = settings.project.name
    if name.strip() in ("", ".", "..") or not {"/", "\\", "\0"}.isdisjoint(name):
        problems.append(
            f"project.name = {toml_value(name)} is refused; files and folders are called by it, so it must "
            'be text without / and \\ other than "", "." and ".."; give another project.name'
        )
    if settings.windows.size is not None and settings.windows.size_m is not None:
        problems.append("windows.size and windows.size_m are both given; keep one of them")
    problems += budget_problems(settings.budget)
    if settings.validation.inner in (1, 2):
        problems.append(
            f"validation.inner = {settings.validation.inner} is refused; it must be 0 for none or at least 3"
        )
    if problems:
        raise UsageError("; ".join(problems))
    if settings.project.crs or not crs_open:
        _check_crs(settings.project.crs)
    _check_model(settings.model.name)


def _values(settings: Settings) -> Iterator[tuple[str, str, Any]]:
    """Every value, with its key as in `LIMITS` and its key as the user writes it."""
    for name, _ in sections():
        section = getattr(settings, name)
        many = isinstance(section, tuple)
        for number, room in enumerate(section if many else [section] if section else []):
            for field in fields(room):
                written = f"{name}.{number}.{field.name}" if many else f"{name}.{field.name}"
                yield f"{name}.{field.name}", written, getattr(room, field.name)


def _out_of_range(settings: Settings) -> Iterator[str]:
    for key, written, value in _values(settings):
        items = value if isinstance(value, tuple) else (value,)
        numbers = [item for item in items if isinstance(item, int | float)]
        if key in LIMITS and any(number not in LIMITS[key] for number in numbers):
            yield f"{written} = {toml_value(value)} is refused; it must be {LIMITS[key]}"


def _empty_paths(settings: Settings) -> Iterator[str]:
    for key, written, value in _values(settings):
        if value == "" and (key.endswith(".path") or key in ("project.area", "project.truth")):
            yield f"{written} is empty; give the file's path"


def _check_crs(text: str) -> None:
    import pyproj

    advice = "give a projected CRS in metres such as EPSG:326xx (UTM north)"
    try:
        crs = pyproj.CRS.from_user_input(text)
    except pyproj.exceptions.CRSError as error:
        raise UsageError(f'project.crs = "{text}" is no known coordinate system; {advice}') from error
    if not crs.is_projected:
        kind = "geographic" if crs.is_geographic else "not projected"
        raise UsageError(f'project.crs = "{text}" is {kind}; {advice}')
    units = {axis.unit_name for axis in crs.axis_info[:2]}
    if units != {"metre"}:
        raise UsageError(f'project.crs = "{text}" is in {" and ".join(sorted(units))}; {advice}')


def _check_model(name: str) -> None:
    from gossan.models import names

    known = names()
    if name not in known:
        near = difflib.get_close_matches(name, known, n=1, cutoff=0)[0]
        raise UsageError(f'unknown model.name = "{name}"; did you mean "{near}"? Known: {", ".join(known)}')
