"""Greets people."""

from dataclasses import dataclass

from flowforge import Failure


@dataclass
class Greeting:
    """What is said to one person."""

    #: A sentence.
    text: str
    #: How many characters the name has.
    name_length: int


def greet(name: str) -> Greeting:
    """Greet one person.

    Args:
        name: Whom to greet; must not be empty.
    """
    if not name:
        raise Failure.invalid("name", "must not be empty")
    return Greeting(f"Hello, {name}!", len(name))
