"""Writing and reading artefacts."""

from typing import Any, Callable, Iterator, TypeVar, Union

from componentize_py_types import Err
from wit_world.imports import artefacts as _host
from wit_world.imports import types as _types

from .failure import Failure
from .types import Artefact

#: The most one call to the host carries, in bytes.
CALL_BYTES_MAX = 1024 * 1024

T = TypeVar("T")


class Writer:
    """An artefact being written."""

    def __init__(self, host: Any) -> None:
        self._host = host

    def write(self, content: Union[bytes, str]) -> None:
        """Append bytes, or a text as UTF-8."""
        data = content.encode() if isinstance(content, str) else bytes(content)
        for at in range(0, len(data), CALL_BYTES_MAX):
            _typed(lambda: self._host.write(data[at : at + CALL_BYTES_MAX]))

    def finish(self) -> Artefact:
        """Close and name the artefact."""
        made = _typed(self._host.finish)
        return Artefact(made.digest, made.name, made.media_type, made.size)


def create(name: str, media_type: str) -> Writer:
    """Begin a new artefact of this file name and media type, at most 64 MiB."""
    return Writer(_typed(lambda: _host.create(name, media_type)))


def read(artefact: Artefact, max_bytes: int = 16 * CALL_BYTES_MAX) -> bytes:
    """The whole content of an artefact. Raises ``rejected`` with code ``too_large`` above ``max_bytes``."""
    if artefact.size > max_bytes:
        message = f"{artefact.name} has {artefact.size} bytes, at most {max_bytes} are read at once"
        raise Failure.rejected("too_large", message)
    return b"".join(chunks(artefact))


def text(artefact: Artefact, max_bytes: int = 16 * CALL_BYTES_MAX) -> str:
    """The whole content of an artefact as text."""
    return read(artefact, max_bytes).decode("utf-8", "replace")


def chunks(artefact: Artefact) -> Iterator[bytes]:
    """The content of an artefact, piece by piece, for one that is too large to hold."""
    given = _types.Artefact(artefact.digest, artefact.name, artefact.media_type, artefact.size)
    reader = _typed(lambda: _host.open(given))
    while chunk := _typed(lambda: reader.read(CALL_BYTES_MAX)):
        yield chunk


def _typed(call: Callable[[], T]) -> T:
    """Call the host and turn its refusal into a failure."""
    try:
        return call()
    except Err as refused:
        error = refused.value
        if isinstance(error, _host.ArtefactError_NotGranted):
            raise Failure.denied(error.value) from None
        if isinstance(error, _host.ArtefactError_TooLarge):
            raise Failure.rejected("too_large", f"the artefact is larger than {error.value} bytes") from None
        if isinstance(error, _host.ArtefactError_Invalid):
            raise Failure.internal(error.value) from None
        if isinstance(error, _host.ArtefactError_Quota):
            raise Failure.rejected("quota", error.value) from None
        if isinstance(error, _host.ArtefactError_HoldsSecret):
            message = f"the content holds the value of secret {error.value}"
            raise Failure.rejected("holds_secret", message) from None
        raise Failure.unavailable(error.value) from None
