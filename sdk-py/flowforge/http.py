"""Outgoing HTTP.

The host attaches secrets, checks destinations, decodes what the transfer encoded and follows redirects where a request
allows it. An answer that says "later" becomes a retryable failure, so that the retry policy waits, not the connector.
"""

import json as _json
from typing import Any, Mapping, Optional

from componentize_py_types import Err
from wit_world.imports import http as _host
from wit_world.imports import types as _types

from .failure import Failure
from .types import Artefact, Secret

#: How much of a refusal's body its failure quotes, in characters.
QUOTED_CHARS = 200


class Response:
    """One response."""

    def __init__(self, answer: Any) -> None:
        #: Status code.
        self.status: int = answer.status
        #: Header fields by lower-case name; fields of one name are joined with ``, ``.
        self.headers: dict[str, str] = {}
        for field in answer.headers:
            name = field.name.lower()
            earlier = self.headers.get(name)
            self.headers[name] = field.value if earlier is None else f"{earlier}, {field.value}"
        #: The address that answered: another than the request's where redirects were followed.
        self.url: str = answer.url
        #: What ``retry-after`` asks for, in milliseconds from now, whichever of its two forms was used.
        self.retry_after_ms: Optional[int] = answer.retry_after_ms
        #: The body, if ``save_as`` asked for an artefact.
        self.artefact: Optional[Artefact] = None
        #: The body; empty if it was saved as an artefact.
        self.content = b""
        if isinstance(answer.body, _host.Body_Artefact):
            saved = answer.body.value
            self.artefact = Artefact(saved.digest, saved.name, saved.media_type, saved.size)
        else:
            self.content = answer.body.value

    @property
    def text(self) -> str:
        """The body as text: a byte order mark decides, then the charset of ``content-type``, then UTF-8.

        Raises ``rejected`` with code ``not_text``.
        """
        try:
            return _host.decode_text(self.content, self.headers.get("content-type"))
        except Err as refused:
            raise _text_failure(refused.value) from None

    def json(self) -> Any:
        """The body as JSON. Raises ``rejected`` with code ``not_json``."""
        try:
            return _json.loads(self.text)
        except ValueError as error:
            raise Failure.rejected("not_json", f"the response is not JSON: {error}") from None


def get(url: str, **options: Any) -> Response:
    """``GET``; the options are those of :func:`request`."""
    return request("GET", url, **options)


def post(url: str, **options: Any) -> Response:
    """``POST``; the options are those of :func:`request`."""
    return request("POST", url, **options)


def put(url: str, **options: Any) -> Response:
    """``PUT``; the options are those of :func:`request`."""
    return request("PUT", url, **options)


def delete(url: str, **options: Any) -> Response:
    """``DELETE``; the options are those of :func:`request`."""
    return request("DELETE", url, **options)


def request(
    method: str,
    url: str,
    *,
    headers: Optional[Mapping[str, str]] = None,
    json: Any = None,
    content: Optional[bytes] = None,
    artefact: Optional[Artefact] = None,
    auth: Optional[Secret] = None,
    timeout_ms: Optional[int] = None,
    save_as: Optional[str] = None,
    redirects_max: Optional[int] = None,
    idempotency_key: Optional[str] = None,
    any_status: bool = False,
) -> Response:
    """Send one request and wait for the whole response.

    At most one of ``json``, ``content`` (2 MiB) and ``artefact`` (64 MiB) is the body. ``save_as`` stores the body of a
    response of status 2xx as an artefact of this name. ``redirects_max``, at most 10, lets the host follow redirects of a
    ``GET`` or ``HEAD``; each passes every check of the node again, and the secret stays with the origin of this request. ``idempotency_key`` is usually ``context.step().idempotency_key``. With
    ``any_status`` an answer of any status comes back.

    Raises ``denied`` without a grant or for 401 and 403, ``throttled`` for 429, ``unavailable`` for 408, 425 and 5xx or if
    nothing was sent, ``timed_out`` if the outcome is unknown, ``rejected`` for every other 4xx.
    """
    if sum(given is not None for given in (json, content, artefact)) > 1:
        raise ValueError("a request has at most one of json, content and artefact")
    fields = {name.lower(): str(value) for name, value in (headers or {}).items()}
    body: Any = None
    if json is not None:
        fields.setdefault("content-type", "application/json")
        body = _host.Body_Bytes(_json.dumps(json, allow_nan=False).encode())
    elif content is not None:
        body = _host.Body_Bytes(content)
    elif artefact is not None:
        fields.setdefault("content-type", artefact.media_type)
        body = _host.Body_Artefact(
            _types.Artefact(artefact.digest, artefact.name, artefact.media_type, artefact.size)
        )
    if idempotency_key is not None:
        fields.setdefault("idempotency-key", idempotency_key)
    sent = _host.Request(
        method=method,
        url=url,
        headers=[_host.Header(name, value) for name, value in fields.items()],
        body=body,
        auth=None if auth is None else _host.Auth(auth.slot, _placement(auth)),
        timeout_ms=timeout_ms,
        save_as=save_as,
        redirects_max=redirects_max,
    )
    try:
        answer = Response(_host.send(sent))
    except Err as refused:
        raise _send_failure(refused.value) from None
    failure = None if any_status else _status_failure(answer)
    if failure is not None:
        raise failure
    return answer


def _placement(auth: Secret) -> Any:
    if auth.basic is not None:
        return _host.Placement_Basic(auth.basic)
    if auth.header is not None:
        return _host.Placement_Header(_host.HeaderPlacement(auth.header, auth.prefix))
    if auth.query is not None:
        return _host.Placement_Query(auth.query)
    return _host.Placement_Bearer()


def _send_failure(error: Any) -> Failure:
    if isinstance(error, _host.SendError_DestinationDenied):
        return Failure.denied(f"this node may not reach {error.value}")
    if isinstance(error, _host.SendError_SecretDenied):
        return Failure.denied(error.value)
    if isinstance(error, (_host.SendError_BodyUnavailable, _host.SendError_Unreachable)):
        return Failure.unavailable(error.value)
    if isinstance(error, _host.SendError_TimedOut):
        return Failure.timed_out(error.value)
    if isinstance(error, _host.SendError_TooLarge):
        return Failure.rejected("too_large", f"the response is larger than {error.value} bytes")
    if isinstance(error, _host.SendError_Storage):
        return Failure.timed_out(f"the response came and could not be stored: {error.value}")
    if isinstance(error, _host.SendError_MalformedResponse):
        return Failure.rejected("malformed_response", error.value)
    if isinstance(error, _host.SendError_NotKept):
        return Failure.rejected("not_kept", error.value)
    if isinstance(error, _host.SendError_Redirect):
        return Failure.rejected("redirect", error.value)
    return Failure.internal(f"request refused: {error.value}")


def _text_failure(error: Any) -> Failure:
    if isinstance(error, _host.TextError_UnknownCharset):
        return Failure.rejected("not_text", f"the response is in the charset {error.value}, which no host knows")
    if isinstance(error, _host.TextError_Malformed):
        return Failure.rejected("not_text", f"the response is no text in {error.value}")
    return Failure.rejected("not_text", f"the response is larger than {error.value} bytes of text")


def _status_failure(answer: Response) -> Optional[Failure]:
    status = answer.status
    if status < 400:
        return None
    quoted = answer.content.decode("utf-8", "replace").strip()[:QUOTED_CHARS]
    message = f"answered {status}: {quoted}" if quoted else f"answered {status}"
    wait = answer.retry_after_ms
    if status in (401, 403):
        return Failure.denied(message)
    if status == 429:
        return Failure.throttled(message, wait)
    if status in (408, 425) or status >= 500:
        return Failure.unavailable(message) if wait is None else Failure.throttled(message, wait)
    return Failure.rejected(str(status), message)
