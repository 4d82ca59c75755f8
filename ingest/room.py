"""Something that there is only so much of, shared by many: requests, bytes, places in a queue. Pure.

Invariant: none holds more than is left free. One flood so takes half and leaves half; two take a third each and leave a
third; whoever asks for little finds room.
"""

from typing import Final


class Room:
    """What each owner holds of so much."""

    __slots__ = ("_by_owner", "held", "most")

    def __init__(self, most: int) -> None:
        self.most: Final = most
        self.held = 0
        self._by_owner: dict[str, int] = {}

    def fits(self, owner: str, count: int, part: int = 1) -> bool:
        """Whether an owner may hold so much more; `part` 2: of half the room."""
        return self._by_owner.get(owner, 0) + count <= self.most // part - self.held

    def take(self, owner: str, count: int) -> None:
        """Hold so much more for an owner, whether it fits or not."""
        held = self._by_owner.pop(owner, 0) + count
        self.held += count
        if held:  # who holds nothing is forgotten
            self._by_owner[owner] = held

    def give(self, owner: str, count: int) -> None:
        """Let go of so much that an owner holds."""
        self.take(owner, -count)
