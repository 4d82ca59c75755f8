"""A shared quota: a limited number of things, such as requests or messages, and of their bytes. Pure.

Invariant: no owner holds more than is left free. So one flood takes half and leaves half; two take a third each and
leave a third; small requests still succeed.
"""

from typing import Final


class Quota:
    """What each owner holds of the quota: things and bytes."""

    __slots__ = ("_by_owner", "count", "most", "most_size", "size")

    def __init__(self, most: int, most_size: int) -> None:
        """Begin empty. `most` things, `most_size` bytes in all."""
        self.most: Final = most
        self.most_size: Final = most_size
        self.count = self.size = 0
        self._by_owner: dict[str, list[int]] = {}

    def fits(self, owner: str, count: int, size: int, part: int = 1) -> bool:
        """Whether an owner may take this many more things and bytes; `part` 2: of half the quota."""
        held = self._by_owner.get(owner)
        if held is not None:
            count += held[0]
            size += held[1]
        return count <= self.most // part - self.count and size <= self.most_size // part - self.size

    def take(self, owner: str, count: int, size: int) -> bool:
        """Take this much more for an owner, whether it fits or not; return whether it fits."""
        held = self._by_owner.get(owner)
        if held is None:
            held = self._by_owner[owner] = [0, 0]
        held[0] += count
        held[1] += size
        fits = held[0] <= self.most - self.count and held[1] <= self.most_size - self.size
        self.count += count
        self.size += size
        return fits

    def give(self, owner: str, count: int, size: int) -> None:
        """Release this much of what an owner holds."""
        self.count -= count
        self.size -= size
        held = self._by_owner[owner]
        held[0] -= count
        held[1] -= size
        if not held[0]:  # who holds nothing is forgotten
            del self._by_owner[owner]
