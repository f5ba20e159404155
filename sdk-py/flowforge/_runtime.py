"""What the build tool puts around every operation. Not for authors.

Whatever an operation raises or returns, the host gets a typed failure or a value of the declared shape.
"""

import sys
import types
from typing import Any, Callable, Optional

from componentize_py_types import Err

from ._shape import WrongShape, hints_of, lift, lower
from .failure import Failure


class Operation:
    """One operation: its definition from the world, and the author's function."""

    def __init__(self, definition: dict[str, Any], author: Callable[..., Any], world: Any, sources: dict[str, str]) -> None:
        self.definition = definition
        self.author = author
        self.sources = sources
        names = author.__code__.co_varnames[: author.__code__.co_argcount]
        annotations = hints_of(author)
        self.wanted = [annotations.get(name) for name in names]
        self.result_hint = hints_of(world).get("return")
        self.failure_module = _failure_module(definition)

    def __call__(self, *values: Any) -> Any:
        try:
            given = [
                lift(shape, value, self.wanted[at] if at < len(self.wanted) else None)
                for at, (shape, value) in enumerate(zip(self.definition["params"], values))
            ]
            answer = self._settled(self.author(*given))
            shape = self.definition["result"]
            return None if shape is None else self._returned(shape, answer)
        except Exception as raised:  # noqa: BLE001 - everything becomes a failure that names its place
            raise self._failure(raised) from None
        finally:
            sys.stdout.flush()
            sys.stderr.flush()

    def _settled(self, answer: Any) -> Any:
        """The value of an ``async def``. Nothing in a connector can be waited for, so it must end at once."""
        if not isinstance(answer, types.CoroutineType):
            return answer
        try:
            answer.send(None)
        except StopIteration as ended:
            return ended.value
        answer.close()
        name = self.definition["name"]
        raise Failure.internal(f"{name} never ended: it awaits something that nothing resolves ({self._own_place()})")

    def _returned(self, shape: dict[str, Any], answer: Any) -> Any:
        try:
            return lower(shape, self.result_hint, answer, "")
        except WrongShape as error:
            message = f"{self.definition['name']} returned {error} ({self._own_place()})"
            raise Failure.internal(message) from None

    def _failure(self, raised: Exception) -> Exception:
        failure = raised if isinstance(raised, Failure) else Failure.internal(self._explain(raised))
        if self.failure_module is not None:
            return Err(_lower_failure(self.failure_module, failure))
        if isinstance(raised, Err) and self.definition["failure"] is not None:
            return raised
        # The world gives this operation no way to fail: the log is the only place for the reason.
        return RuntimeError(f"{self.definition['name']} failed: {failure.kind}: {failure.message}")

    def _explain(self, raised: Exception) -> str:
        kind = "" if type(raised) is Exception else f"{type(raised).__name__}: "
        return f"{kind}{raised} ({self._place_of(raised) or self._own_place()})"

    def _place_of(self, raised: Exception) -> Optional[str]:
        """The innermost place in the author's own modules."""
        found = None
        trace = raised.__traceback__
        while trace is not None:
            source = self.sources.get(trace.tb_frame.f_globals.get("__name__", ""))
            if source is not None:
                found = f"{source}:{trace.tb_lineno}"
            trace = trace.tb_next
        return found

    def _own_place(self) -> str:
        source = self.sources.get(self.author.__module__, self.author.__module__)
        return f"{source}:{self.author.__code__.co_firstlineno}"


def _failure_module(definition: dict[str, Any]) -> Any:
    """The bindings' module with the classes of the standard failure; none if the operation has another one."""
    if not definition["standard"]:
        return None
    from wit_world.imports import types as standard

    return standard


def _lower_failure(module: Any, failure: Failure) -> Any:
    if failure.kind == "invalid":
        return module.Failure_Invalid(module.InvalidInput(failure.path, failure.message))
    if failure.kind == "rejected":
        return module.Failure_Rejected(module.Rejection(failure.code, failure.message))
    if failure.kind == "throttled":
        return module.Failure_Throttled(module.Throttle(failure.message, failure.retry_after_ms))
    plain = {
        "denied": module.Failure_Denied,
        "unavailable": module.Failure_Unavailable,
        "timed_out": module.Failure_TimedOut,
    }
    return plain.get(failure.kind, module.Failure_Internal)(failure.message)
