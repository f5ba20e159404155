"""Code as a node, in Python."""

# What snippets may import has to be in the memory with which every step begins: there are no files to import from later.
import ast
import base64
import bisect
import calendar
import collections
import copy
import csv
import datetime
import decimal
import difflib
import fractions
import functools
import hashlib
import heapq
import hmac
import html
import io
import itertools
import json
import math
import operator
import random
import re
import statistics
import string
import textwrap
import time
import traceback
import typing
import unicodedata
import urllib.parse
import uuid
import zlib
from keyword import iskeyword

from flowforge import Failure, Json

_FILE = "snippet"
_DEPTH_MAX = 100


def run(code: str, names: Json | None = None) -> Json:
    """Run a snippet of Python. It reaches nothing but what it is given.

    Args:
        code: The body of a function: `return` gives the result, `print` goes to the log of the step.
        names: What the snippet sees, each value under its name, for example `{ rows: "${load.rows}", least: 3 }`.
    """
    given = _named({} if names is None else names)
    step = _compiled(code, list(given))
    try:
        result = step(**given)
    except Failure:
        raise
    except RecursionError:
        raise Failure.invalid("code", "RecursionError: it calls itself without an end") from None
    except BaseException as error:  # Also `sys.exit()`: whatever a snippet raises is its author's to read.
        words = f": {error}" if str(error) else ""
        raise Failure.invalid("code", f"{_line_of(error)}{type(error).__name__}{words}") from None
    return _plain(result, "")


def _named(names: Json) -> dict[str, Json]:
    """What the snippet sees."""
    if not isinstance(names, dict):
        raise Failure.invalid("names", "must be an object: each value under the name by which the snippet sees it")
    for name in names:
        if not name.isidentifier() or iskeyword(name):
            raise Failure.invalid(f"names.{name}", "is no name of a variable in Python")
    return names


def _compiled(code: str, names: list[str]):
    """The snippet as a function of these names. Its lines stay those of the text, also within texts of several lines."""
    try:
        body = ast.parse(code, _FILE).body
        module = ast.parse("def step(): pass", _FILE)
        function = module.body[0]
        function.args.kwonlyargs = [ast.arg(name) for name in names]
        function.args.kw_defaults = [None] * len(names)
        function.body = body or [ast.Pass()]
        compiled = compile(ast.fix_missing_locations(module), _FILE, "exec")
    except (SyntaxError, ValueError, RecursionError) as error:
        line = f"line {error.lineno}: " if isinstance(error, SyntaxError) and error.lineno else ""
        words = error.msg if isinstance(error, SyntaxError) else str(error)
        raise Failure.invalid("code", f"{line}{type(error).__name__}: {words}") from None
    space = {"Failure": Failure}
    exec(compiled, space)
    return space["step"]


def _line_of(error: BaseException) -> str:
    """The line of the snippet at which it failed."""
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == _FILE]
    return f"line {lines[-1]}: " if lines else ""


def _plain(value: object, path: str, depth: int = 0) -> Json:
    """What a snippet returns, as JSON: what JSON cannot hold is refused at its place and does not get lost."""
    if depth > _DEPTH_MAX:
        raise _refused(path, f"something nested more than {_DEPTH_MAX} deep, or a circle")
    if value is None or isinstance(value, (bool, str)):
        return value
    if isinstance(value, int):
        if not -(2**63) <= value < 2**64:
            raise _refused(path, "an integer of more than 64 bits")
        return int(value)
    if isinstance(value, float):
        if not math.isfinite(value):
            raise _refused(path, f"the number {value}")
        return float(value)
    if isinstance(value, (datetime.date, datetime.time)):
        return value.isoformat()
    if isinstance(value, dict):
        return {_key(key, path): _plain(item, f"{path}.{key}".lstrip("."), depth + 1) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item, f"{path}[{index}]", depth + 1) for index, item in enumerate(value)]
    raise _refused(path, f"a {type(value).__name__}")


def _key(key: object, path: str) -> str:
    if not isinstance(key, str):
        raise _refused(path, f"a key that is a {type(key).__name__}")
    return key


def _refused(path: str, what: str) -> Failure:
    place = f" at {path}" if path else ""
    return Failure.invalid("code", f"returned {what}{place}, which JSON cannot hold")
