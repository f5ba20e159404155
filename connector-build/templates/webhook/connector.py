"""Begins runs for items that a service sends."""

import json
from dataclasses import dataclass

from flowforge import Failure


@dataclass
class Header:
    """A header field."""

    #: Lower-case name.
    name: str
    #: Its value.
    value: str


@dataclass
class Incoming:
    """A request whose signature was verified."""

    #: Header fields in the order of the request.
    headers: list[Header]
    #: The body as it was sent.
    body: bytes


@dataclass
class Item:
    """One item."""

    #: The same for the same item, for ever: it begins one run.
    id: str
    #: What people read.
    title: str


def read_items(request: Incoming) -> list[Item]:
    """Read the items of one request.

    Args:
        request: What the service sent.
    """
    try:
        return [Item(item["id"], item["title"]) for item in json.loads(request.body)["items"]]
    except (ValueError, KeyError, TypeError):
        raise Failure.invalid("request.body", "must be JSON with `items`") from None
