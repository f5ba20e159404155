"""Lines in the step's log: at most 8 KiB each and 1,000 a step; more is cut or dropped, and counted.

``print`` writes there too.
"""

from wit_world.imports import log as _host


def debug(message: str) -> None:
    """A line for the author."""
    _host.write(_host.Level.DEBUG, message)


def info(message: str) -> None:
    """A line about what happened."""
    _host.write(_host.Level.INFO, message)


def warn(message: str) -> None:
    """A line about something degraded."""
    _host.write(_host.Level.WARN, message)


def error(message: str) -> None:
    """A line about something that someone must look at."""
    _host.write(_host.Level.ERROR, message)
