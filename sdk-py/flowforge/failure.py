"""Why an operation failed, in the words that decide who may try again."""

from typing import Optional


class Failure(Exception):
    """A typed failure. Raise it; the host retries only ``throttled`` and ``unavailable``, and ``timed_out`` where a
    repetition is harmless.

    >>> raise Failure.invalid("values", "must hold at least one number")
    """

    def __init__(
        self,
        kind: str,
        message: str,
        *,
        path: str = "",
        code: str = "",
        retry_after_ms: Optional[int] = None,
    ) -> None:
        super().__init__(message)
        self.kind = kind
        self.message = message
        self.path = path
        self.code = code
        self.retry_after_ms = retry_after_ms

    @staticmethod
    def invalid(path: str, message: str) -> "Failure":
        """Final: the input at ``path`` is wrong; ``message`` says what would be right."""
        return Failure("invalid", message, path=path)

    @staticmethod
    def rejected(code: str, message: str) -> "Failure":
        """Final: the service understood and refused."""
        return Failure("rejected", message, code=code)

    @staticmethod
    def denied(message: str) -> "Failure":
        """Final: the credentials are missing, wrong or not allowed to do this."""
        return Failure("denied", message)

    @staticmethod
    def throttled(message: str, retry_after_ms: Optional[int] = None) -> "Failure":
        """Retryable: the service asks for fewer requests and did nothing."""
        return Failure("throttled", message, retry_after_ms=retry_after_ms)

    @staticmethod
    def unavailable(message: str) -> "Failure":
        """Retryable: the service could not be reached or is not ready, and did nothing."""
        return Failure("unavailable", message)

    @staticmethod
    def timed_out(message: str) -> "Failure":
        """The outcome is unknown; retried only where a repetition is harmless."""
        return Failure("timed_out", message)

    @staticmethod
    def internal(message: str) -> "Failure":
        """Final: the connector itself is wrong."""
        return Failure("internal", message)
