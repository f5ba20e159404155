"""Greets people."""

from dataclasses import dataclass

from flowforge import Failure


@dataclass
class Greeting:
    text: str
    name_length: int


def greet(name: str) -> Greeting:
    """Greet one person."""
    if not name:
        raise Failure.invalid("name", "must not be empty")
    return Greeting(f"Hello, {name}!", len(name))
