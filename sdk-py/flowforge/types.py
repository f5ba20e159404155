"""Types that ports and capabilities share."""

from dataclasses import dataclass
from typing import Any, Optional, Union

#: Any JSON value.
Json = Any


@dataclass(frozen=True)
class Artefact:
    """A large or binary value, kept by digest beside the journal. A plain value: it may be passed on freely."""

    #: ``sha256:`` and 64 hexadecimal digits, over the content.
    digest: str
    #: File name for people, without folders.
    name: str
    #: For example ``text/csv``.
    media_type: str
    #: Length of the content in bytes.
    size: int


@dataclass(frozen=True)
class Case:
    """One case of a variant, as it appears in JSON: its kind, and its value if it has one."""

    kind: str
    value: Any = None


@dataclass(frozen=True)
class Secret:
    """A secret for the host to attach to a request."""

    slot: str
    basic: Optional[str] = None
    header: Optional[str] = None
    prefix: str = ""
    query: Optional[str] = None


def secret(
    slot: str,
    *,
    basic: Optional[str] = None,
    header: Optional[str] = None,
    prefix: str = "",
    query: Optional[str] = None,
) -> Secret:
    """The secret in this slot, for ``auth`` of a request: as a bearer token unless another place is named.

    ``basic`` is the user name whose password the secret is, ``header`` and ``query`` name where the value goes.
    """
    given = [place for place in (basic, header, query) if place is not None]
    if len(given) > 1:
        raise ValueError("name at most one of basic, header and query")
    return Secret(slot, basic, header, prefix, query)


#: What a secret may be placed by; for annotations.
Auth = Union[Secret, None]
