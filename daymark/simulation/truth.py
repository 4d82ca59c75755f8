"""The expected results of a life once all of it has arrived: interactions, rejections, property values. Pure.

A fold over the history, which is in the order of timestamps: the last notice of each property wins. Whatever arrives
late, repeated or replayed is in the history already and changes nothing. Takes a byte per property and contact-day.
"""

from collections import Counter
from collections.abc import Iterator

import msgspec

from daymark.simulation import computations, delivery, life, people
from daymark.simulation.audience import Expected
from daymark.simulation.computations import PROPERTIES, Value
from daymark.simulation.delivery import Sending
from daymark.simulation.life import Life
from schemas import timestamps
from schemas.rejections import Reason


class Property(msgspec.Struct, frozen=True):
    """The final value of a contact's property; `membership` as contact.traits has it."""

    workspace: str
    email: str
    name: str
    value: Value
    membership: bool | None


class Truth:
    """The expected results of a life, assuming that none of it existed before."""

    def __init__(self, plan: Life) -> None:
        self._plan = plan
        contacts = plan.people * people.ADDRESSES
        self._codes = bytearray(contacts * PROPERTIES)
        self._first = timestamps.day(plan.start_ms, plan.zone)
        self._days = timestamps.day(plan.start_ms + plan.hours * life.HOUR_MS, plan.zone) - self._first + 1
        self._contact_days = bytearray(contacts * self._days)
        self._counts: Counter[str] = Counter()
        for sending in delivery.sent(plan):
            self._count(sending)

    def expected(self) -> Expected:
        """Return the figures."""
        counts = self._counts
        return Expected(
            events=counts["calls"] + counts["again"],
            interactions=sum(self._contact_days),
            retries=counts["again"],
            rejections={Reason.MISSING_EMAIL: counts["nameless"]},
            properties=len(self._codes) - self._codes.count(0),
            late=counts["late"],
            replayed=counts["replayed"],
        )

    def properties(self, workspace: str) -> Iterator[Property]:
        """Yield every property that ends up with a value, as contact.traits must have it for this workspace."""
        known = computations.computations(self._plan.audience)
        for place, code in enumerate(self._codes):
            if code:
                contact, which = divmod(place, PROPERTIES)
                person = contact // people.ADDRESSES
                of = known[computations.place(person, which)]
                value, membership = of.value(person, code), of.membership(person, code)
                yield Property(workspace, people.address(contact), of.key, value, membership)

    def _count(self, sending: Sending) -> None:
        counts, notice = self._counts, sending.notice
        contact = life.contact(notice)
        counts["calls"] += 1
        counts["again"] += sending.is_repeated
        counts["late"] += sending.is_late
        counts["replayed"] += sending.replayed
        if contact is None:
            counts["nameless"] += 1 + sending.is_repeated
        elif not sending.replayed:
            self._codes[contact * PROPERTIES + notice.which] = notice.code
            day = timestamps.day(life.timestamp_ms(self._plan, notice), self._plan.zone)
            self._contact_days[contact * self._days + day - self._first] = True
