"""What can be turned at a model, within which ranges, and which settings are tried on inner folds.

A set of options is a plain dict, so that it can be written into a record; ``{}`` is the model's defaults.
"""

from collections.abc import Callable, Mapping
from dataclasses import fields, replace
from math import inf
from typing import Any, NamedTuple

from gossan.errors import UsageError
from gossan.models.base import ModelSettings
from gossan.models.training import TrainingSettings, resolve

__all__ = [
    "Option",
    "above",
    "check_options",
    "network_candidates",
    "network_settings",
    "one_of",
    "texts",
    "whole",
]


class Option(NamedTuple):
    """One thing that can be turned.

    Attributes
    ----------
    default
        Its value where none is given.
    allowed
        The allowed values in words.
    fits
        Whether a value is allowed.
    """

    default: Any
    allowed: str
    fits: Callable[[Any], bool]


def above(default: float, low: float, high: float = inf) -> Option:
    """Return a number above `low` and at most `high`."""
    words = f"a number above {low:g}" + ("" if high == inf else f", at most {high:g}")
    return Option(default, words, lambda value: _is_number(value) and low < value <= high and value < inf)


def whole(default: int | None, low: int, high: float = inf, *, or_none: bool = False) -> Option:
    """Return a whole number from `low` to `high`, or None where that is allowed."""
    words = f"a whole number from {low}" + ("" if high == inf else f" to {high:g}")

    def fits(value: Any) -> bool:
        if value is None:
            return or_none
        return _is_number(value) and float(value).is_integer() and low <= value <= high

    return Option(default, words + (" or None" if or_none else ""), fits)


def one_of(default: str, *others: str, or_share: bool = False, or_above: bool = False) -> Option:
    """Return one of some words, or a share above 0 to 1, or any number above 0."""
    known = (default, *others)
    words = " or ".join(repr(word) for word in known)
    words += " or a share above 0, at most 1" if or_share else " or a number above 0" if or_above else ""
    high = 1.0 if or_share else inf if or_above else 0.0

    def fits(value: Any) -> bool:
        return value in known if isinstance(value, str) else _is_number(value) and 0 < value <= high

    return Option(default, words, fits)


def texts() -> Option:
    """Return a list of names, or None."""

    def fits(value: Any) -> bool:
        if value is None:
            return True
        return isinstance(value, tuple | list) and all(isinstance(each, str) for each in value)

    return Option(None, "a list of names or None", fits)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def check_options(name: str, given: Mapping[str, Any] | None, known: Mapping[str, Option]) -> dict[str, Any]:
    """Return the options that were given, lists as tuples, once they are found to be known and in range.

    Raises
    ------
    UsageError
        For an unknown option or a value that is not allowed.
    """
    found = {key: tuple(v) if isinstance(v, list) else v for key, v in (given or {}).items()}
    for key, value in found.items():
        if key not in known:
            takes = f"takes {', '.join(known)}" if known else "takes none"
            raise UsageError(f"option {key!r} given for {name}; it {takes}: leave it out")
        if not known[key].fits(value):
            raise UsageError(f"{key} = {value!r} given for {name}; it is {known[key].allowed}: change it")
    return found


#: Fields that describe the run rather than a configuration, and so are no options.
_FIXED = {"name", "valid_channel", "device", "threads", "preset"}
_PLAIN = {"width", "weights"}


def network_settings(
    name: str,
    options: Mapping[str, Any] | None,
    *,
    mfaf: bool,
    model: ModelSettings,
    training: TrainingSettings,
) -> tuple[ModelSettings, TrainingSettings]:
    """Replace fields of a network's settings.

    Parameters
    ----------
    options
        Fields of `ModelSettings` (of a plain network only ``width`` and ``weights``) and of
        `TrainingSettings`; not those that describe the run: ``name``, ``valid_channel``, ``preset``,
        ``device`` and ``threads``.

    Raises
    ------
    UsageError
        For another option. Values are checked where the settings are used.
    """
    given = dict(options or {})
    of_model = [field.name for field in fields(ModelSettings) if field.name not in _FIXED]
    if not mfaf:
        of_model = [key for key in of_model if key in _PLAIN]
    of_training = [field.name for field in fields(TrainingSettings) if field.name not in _FIXED]
    for key in given:
        if key not in of_model and key not in of_training:
            known = ", ".join([*of_model, *of_training])
            raise UsageError(f"option {key!r} given for {name}; it takes {known}: leave it out")
    if isinstance(given.get("rates"), list):
        given["rates"] = tuple(given["rates"])
    return (
        replace(model, **{key: given[key] for key in of_model if key in given}),
        replace(training, **{key: given[key] for key in of_training if key in given}),
    )


def network_candidates(training: TrainingSettings, *, mfaf: bool) -> list[dict[str, Any]]:
    """List what is tried of a network: its learning rate and weight decay, and MFAF's self-distillation."""
    base = resolve(training)
    slower, faster = {"lr": 0.5 * base.lr}, {"lr": 2.0 * base.lr}
    decayed = {"weight_decay": 10.0 * base.weight_decay}
    if mfaf:
        return [{}, slower, {"beta": 0.0}, decayed, faster, slower | {"beta": 0.0}]
    return [{}, slower, faster, decayed, slower | decayed, faster | decayed]
