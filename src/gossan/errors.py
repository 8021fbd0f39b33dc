"""Every error and warning of the package.

::

    GossanError                     exit code 1: the run failed
    |-- UsageError(ValueError)      exit code 2: the call or the project file is wrong
    |   `-- MissingFileError(FileNotFoundError)
    |-- DataError(ValueError)       exit code 3: the data, or a design made from them, are refused
    |-- RunError(RuntimeError)      exit code 1: something broke while running
    `-- BusyError(RuntimeError)     exit code 1: another process holds the run folder

    GossanWarning(UserWarning)
    |-- DataWarning                 a row dropped, a value replaced: with the count
    |-- DesignWarning               the design is weak, but can run
    `-- SettingWarning              a setting was given and has no effect

A message is one line of three parts: what was given, what is allowed, what to do.
"""

__all__ = [
    "BusyError",
    "DataError",
    "DataWarning",
    "DesignWarning",
    "GossanError",
    "GossanWarning",
    "MissingFileError",
    "RunError",
    "SettingWarning",
    "UsageError",
]


class GossanError(Exception):
    """Base of all errors; ``exit_code`` is what the command line ends with."""

    exit_code = 1


class UsageError(GossanError, ValueError):
    """The call, an option or the project file is wrong."""

    exit_code = 2


class MissingFileError(UsageError, FileNotFoundError):
    """A file that the project names does not exist."""


class DataError(GossanError, ValueError):
    """The data are refused, or no valid design can be made from them."""

    exit_code = 3


class RunError(GossanError, RuntimeError):
    """A task failed."""


class BusyError(GossanError, RuntimeError):
    """Another process works in the same run folder."""


class GossanWarning(UserWarning):
    """Base of all warnings."""


class DataWarning(GossanWarning):
    """Data were dropped or replaced; the message counts them."""


class DesignWarning(GossanWarning):
    """The design can run but is weak."""


class SettingWarning(GossanWarning):
    """A setting was given that has no effect here."""
