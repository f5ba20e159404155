"""Signs of life of a call that takes long. Each report is one; the host passes on at most five a second."""

from typing import Optional

from wit_world.imports import progress as _host


def report(percent: Optional[int] = None, message: Optional[str] = None) -> None:
    """Say that the call is alive, and how far it is if that is known.

    ``percent`` is from 0 to 100, ``message`` one line of at most 256 bytes for people.
    """
    if percent is None and message is None:
        _host.report(None)
        return
    bounded = None if percent is None else max(0, min(100, percent))
    _host.report(_host.State(bounded, message))
