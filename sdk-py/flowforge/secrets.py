"""Facts about the secrets bound to this node. Never a value."""

from dataclasses import dataclass
from typing import Optional

from wit_world.imports import secrets as _host


@dataclass(frozen=True)
class SecretInfo:
    """What may be known of a secret."""

    #: ``bearer``, ``basic``, ``api-key``, ``hmac-key`` or ``opaque``.
    kind: str
    #: Grows by one with each new value.
    version: int


def describe(slot: str) -> Optional[SecretInfo]:
    """What is known of the secret in this slot; none if the slot is not bound."""
    info = _host.describe(slot)
    return None if info is None else SecretInfo(info.kind, info.version)
