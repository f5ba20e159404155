"""The step in which a call runs."""

from dataclasses import dataclass

from wit_world.imports import context as _host


@dataclass(frozen=True)
class Step:
    """What a connector may know of its step."""

    #: The run, unique for ever.
    run_id: str
    #: Node and iteration, for example ``labels[3].label``.
    step: str
    #: 1 for the first try.
    attempt: int
    #: The same for every attempt of this step: send it as the idempotency key of the service.
    idempotency_key: str
    #: Milliseconds that this call may still take.
    deadline_ms: int


def step() -> Step:
    """The step in which this call runs."""
    info = _host.step()
    return Step(info.run_id, info.step, info.attempt, info.idempotency_key, info.deadline_ms)


def now_ms() -> int:
    """Milliseconds since 1970-01-01 UTC."""
    return _host.now_ms()


#: The most that one call to the host gives, in bytes.
_CALL_BYTES_MAX = 65_536


def random_bytes(length: int) -> bytes:
    """Exactly this many random bytes of cryptographic quality, in as many calls to the host as it takes."""
    pieces = [min(_CALL_BYTES_MAX, length - at) for at in range(0, length, _CALL_BYTES_MAX)]
    return b"".join(_host.random_bytes(piece) for piece in pieces)
