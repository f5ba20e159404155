"""Begins runs for new items."""

from dataclasses import dataclass
from typing import Optional
from urllib.parse import quote

from flowforge import http


@dataclass
class Item:
    """One new item."""

    #: The same for the same item, for ever: it begins one run.
    id: str
    #: What people read.
    title: str


@dataclass
class Batch:
    """What one poll found."""

    #: New items, the oldest first.
    events: list[Item]
    #: Where the next poll goes on.
    cursor: Optional[str]


def new_items(cursor: Optional[str]) -> Batch:
    """Look for items that came after the cursor.

    Args:
        cursor: Where the last poll ended; none the first time.
    """
    after = "" if cursor is None else f"?after={quote(cursor)}"
    answer = http.get(f"https://api.example.com/items{after}")
    events = [Item(item["id"], item["title"]) for item in answer.json()]
    return Batch(events, events[-1].id if events else cursor)
