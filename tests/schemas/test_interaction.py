"""The identity of an interaction (contract, section 4)."""

import uuid

from schemas.interaction import interaction_id


def test_an_id_never_changes() -> None:
    """Frozen: another value here would let a replay write every interaction a second time."""
    assert interaction_id("default", "peter@example.com", 18413) == "4901beaf-ceba-59ec-a9a8-76eba4a72394"


def test_an_id_is_a_uuid_of_version_5() -> None:
    """As the contract and the schema say."""
    found = uuid.UUID(interaction_id("default", "peter@example.com", 18413))
    assert (found.version, found.variant) == (5, uuid.RFC_4122)


def test_each_part_makes_another_id() -> None:
    """Workspace, contact and day all count, and none runs into the next; days before 1970 exist, too."""
    parts = [("a", "b@c", 1), ("ab", "@c", 1), ("a", "b@c1", 1), ("a", "b@c", 11), ("a", "b@c", 0), ("a", "b@c", -1)]
    assert len({interaction_id(*part) for part in parts}) == len(parts)
