"""Between the author's values and the bindings'.

A value of the wrong shape would stop the component with a bare "unreachable"; here it is checked first, and the message
names its path and what was expected. The bindings' own classes are found through the type hints of the generated world.
"""

import dataclasses
import enum
import json
import keyword
import re
import types
import typing
from typing import Any, Mapping, Optional, Sequence

from .types import Artefact, Case

_RANGES = {
    "s8": (-(2**7), 2**7 - 1),
    "u8": (0, 2**8 - 1),
    "s16": (-(2**15), 2**15 - 1),
    "u16": (0, 2**16 - 1),
    "s32": (-(2**31), 2**31 - 1),
    "u32": (0, 2**32 - 1),
    "s64": (-(2**63), 2**63 - 1),
    "u64": (0, 2**64 - 1),
}


class WrongShape(Exception):
    """A value of the wrong shape."""


def hints_of(thing: Any) -> dict[str, Any]:
    """The type hints of a function or class; none if they cannot be read."""
    try:
        return typing.get_type_hints(thing)
    except Exception:  # noqa: BLE001 - an author may name types that exist for type checkers only
        return {}


def lift(shape: dict[str, Any], value: Any, wanted: Any) -> Any:
    """What the author is given for a value of the bindings. ``wanted`` is the author's annotation, if there is one."""
    kind = shape["type"]
    if kind == "json":
        return json.loads(value)
    if kind == "list":
        return [lift(shape["element"], item, _argument(wanted, 0)) for item in value]
    if kind == "tuple":
        return tuple(lift(item, value[at], _argument(wanted, at)) for at, item in enumerate(shape["items"]))
    if kind == "option":
        if value is None:
            return None
        if shape["inner"]["type"] == "option":
            return {"some": lift(shape["inner"], value.value, None)}
        return lift(shape["inner"], value, _plain(wanted))
    if kind == "artefact":
        return Artefact(value.digest, value.name, value.media_type, value.size)
    if kind == "record":
        return _lift_record(shape, value, wanted)
    if kind == "enum":
        name = shape["cases"][value.value]["name"]
        return wanted(name) if isinstance(wanted, type) and issubclass(wanted, enum.Enum) else name
    if kind == "flags":
        return [case["name"] for at, case in enumerate(shape["flags"]) if value.value & (1 << at)]
    if kind == "variant":
        return _lift_variant(shape, value, wanted)
    if kind == "result":
        side = "err" if isinstance(value, Exception) else "ok"
        inner = shape[side]
        return Case(side) if inner is None else Case(side, lift(inner, value.value, None))
    return value


def _lift_record(shape: dict[str, Any], value: Any, wanted: Any) -> Any:
    given = hints_of(wanted) if dataclasses.is_dataclass(wanted) else {}
    fields = {
        field["name"]: lift(field["ty"], getattr(value, _attribute(field["name"])), given.get(field["name"]))
        for field in shape["fields"]
    }
    return wanted(**fields) if dataclasses.is_dataclass(wanted) else types.SimpleNamespace(**fields)


def _lift_variant(shape: dict[str, Any], value: Any, wanted: Any) -> Any:
    """A case; one of the author's dataclasses, if the annotation is a union of such."""
    classes = {kind_of(one): one for one in typing.get_args(wanted) if dataclasses.is_dataclass(one)}
    # The class of a case is named `Type_CaseName`.
    written = type(value).__name__.rsplit("_", 1)[-1].lower()
    for case in shape["cases"]:
        if case["name"].replace("_", "").lower() == written:
            inner = case.get("ty")
            own = classes.get(case["name"])
            if own is not None:
                return own() if inner is None else lift(inner, value.value, own)
            return Case(case["name"]) if inner is None else Case(case["name"], lift(inner, value.value, None))
    raise WrongShape(f"unknown case {type(value).__name__}")


def lower(shape: dict[str, Any], hint: Any, value: Any, path: str) -> Any:
    """What the bindings are given for a value of the author. ``hint`` is the bindings' own type."""

    def wrong(expected: str) -> WrongShape:
        return WrongShape(f"{path}: {_short(value)}, expected {expected}" if path else f"{_short(value)}, expected {expected}")

    kind = shape["type"]
    if kind in _RANGES:
        least, most = _RANGES[kind]
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            raise wrong(f"a whole number from {least} to {most}")
        return value
    if kind in ("f32", "f64"):
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise wrong("a number")
        return float(value)
    if kind == "bool":
        if not isinstance(value, bool):
            raise wrong("True or False")
        return value
    if kind in ("string", "char"):
        if not isinstance(value, str) or (kind == "char" and len(value) != 1):
            raise wrong("a text" if kind == "string" else "one character")
        return value
    if kind == "bytes":
        if not isinstance(value, (bytes, bytearray, memoryview)):
            raise wrong("bytes")
        return bytes(value)
    if kind == "json":
        try:
            return json.dumps(value, default=_jsonable, allow_nan=False)
        except (TypeError, ValueError, RecursionError) as error:
            raise wrong(f"a value that JSON can hold ({error})") from None
    if kind == "list":
        if isinstance(value, (str, bytes, Mapping)) or not isinstance(value, (Sequence, types.GeneratorType)):
            raise wrong("a list")
        return [lower(shape["element"], _argument(hint, 0), item, f"{path}[{at}]") for at, item in enumerate(value)]
    if kind == "tuple":
        items = shape["items"]
        if isinstance(value, str) or not isinstance(value, Sequence) or len(value) != len(items):
            raise wrong(f"a tuple of {len(items)}")
        return tuple(lower(item, _argument(hint, at), value[at], f"{path}[{at}]") for at, item in enumerate(items))
    if kind == "option":
        return _lower_option(shape["inner"], hint, value, path)
    if kind in ("record", "artefact"):
        return _lower_record(shape, hint, value, path, wrong)
    if kind == "enum":
        name = value.value if isinstance(value, enum.Enum) else value
        for at, case in enumerate(shape["cases"]):
            if name == case["name"]:
                return hint(at)
        raise wrong(f"one of {_names(shape['cases'])}")
    if kind == "flags":
        names = [case["name"] for case in shape["flags"]]
        if isinstance(value, str) or not isinstance(value, (Sequence, set, frozenset)) or any(one not in names for one in value):
            raise wrong(f"a list of {_names(shape['flags'])}")
        return hint(sum(1 << names.index(one) for one in set(value)))
    if kind == "variant":
        return _lower_variant(shape, hint, value, path, wrong)
    return _lower_result(shape, hint, value, path, wrong)


def _lower_option(inner: dict[str, Any], hint: Any, value: Any, path: str) -> Any:
    if value is None:
        return None
    if inner["type"] != "option":
        return lower(inner, _plain(hint), value, path)
    wrapped = _plain(hint)
    some = typing.get_origin(wrapped) or wrapped
    return some(lower(inner, _argument(wrapped, 0), _member(value, "some"), f"{path}.some"))


def _lower_record(shape: dict[str, Any], hint: Any, value: Any, path: str, wrong: Any) -> Any:
    if isinstance(value, (str, int, float, list, tuple)) or value is None:
        raise wrong("an object")
    known = hints_of(hint)
    fields = {}
    names = [{"name": name, "ty": {"type": ty}} for name, ty in (("digest", "string"), ("name", "string"), ("media_type", "string"), ("size", "u64"))]
    for field in names if shape["type"] == "artefact" else shape["fields"]:
        name = field["name"]
        attribute = _attribute(name)
        inside = f"{path}.{name}" if path else name
        fields[attribute] = lower(field["ty"], known.get(attribute), _member(value, name), inside)
    return hint(**fields)


def _lower_variant(shape: dict[str, Any], hint: Any, value: Any, path: str, wrong: Any) -> Any:
    classes = typing.get_args(hint) or (hint,)
    is_own = dataclasses.is_dataclass(value) and not isinstance(value, (type, Case))
    kind = kind_of(type(value)) if is_own else _member(value, "kind")
    for at, case in enumerate(shape["cases"]):
        if case["name"] == kind:
            inner = case.get("ty")
            if inner is None:
                return classes[at]()
            known = hints_of(classes[at]).get("value")
            return classes[at](lower(inner, known, value if is_own else _member(value, "value"), f"{path}.value"))
    raise wrong(f"an object whose kind is one of {_names(shape['cases'])}")


def kind_of(wanted: Any) -> str:
    """The case that a dataclass of a union stands for: ``VeryBig`` → ``very_big``."""
    name = re.sub(r"([A-Z]+)([A-Z][a-z])", r"\1_\2", wanted.__name__)
    return re.sub(r"([a-z0-9])([A-Z])", r"\1_\2", name).strip("_").lower()


def _lower_result(shape: dict[str, Any], hint: Any, value: Any, path: str, wrong: Any) -> Any:
    kind = _member(value, "kind")
    if kind not in ("ok", "err"):
        raise wrong("an object whose kind is ok or err")
    side = typing.get_args(hint)[0 if kind == "ok" else 1]
    inner = shape[kind]
    made = typing.get_origin(side) or side
    return made(None if inner is None else lower(inner, _argument(side, 0), _member(value, "value"), f"{path}.value"))


def _member(value: Any, name: str) -> Any:
    return value.get(name) if isinstance(value, Mapping) else getattr(value, name, None)


def _attribute(name: str) -> str:
    """The name that the bindings give a field: a word of Python gets an underscore."""
    return f"{name}_" if keyword.iskeyword(name) else name


def _plain(hint: Any) -> Any:
    """``Optional[T]`` → ``T``."""
    arguments = [one for one in typing.get_args(hint) if one is not type(None)]
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        return arguments[0] if len(arguments) == 1 else typing.Union[tuple(arguments)]
    return hint


def _argument(hint: Any, at: int) -> Any:
    arguments = typing.get_args(hint)
    return arguments[at] if at < len(arguments) else None


def _jsonable(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return dataclasses.asdict(value)
    if isinstance(value, enum.Enum):
        return value.value
    if isinstance(value, types.SimpleNamespace):
        return vars(value)
    raise TypeError(f"{type(value).__name__} is no JSON")


def _names(cases: list[dict[str, Any]]) -> str:
    return ", ".join(case["name"] for case in cases)


def _short(value: Optional[Any]) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:79]}…"
