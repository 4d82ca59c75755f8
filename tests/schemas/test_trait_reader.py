"""Reading an e-mail and a property from traits gives what decoding all of them would."""

import msgspec
import pytest
from msgspec import UNSET

from schemas import trait_reader

TRAITS = {"email": "a@b", "value": 3, "vip": True, "gr\u00f6\u00dfe": 1, 'a"b': 2, "a\\b": [{}], "": None, "\x07": 0.5}


@pytest.mark.parametrize("name", [*TRAITS, "absent", "\ud800"])
def test_a_property_is_read_by_its_exact_name(name: str) -> None:
    """Any name will do, also one that no struct can have, or that the address has."""
    found = trait_reader.reader(name)(msgspec.Raw(msgspec.json.encode(TRAITS)))
    assert (found.email, found.value) == ("a@b", TRAITS.get(name, UNSET))


def test_more_names_than_are_kept_are_read_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """A sender that makes up names takes no more memory."""
    monkeypatch.setattr(trait_reader, "_MOST", 0)
    found = trait_reader.reader("made up")(msgspec.Raw(b'{"made up":1,"made up":2}'))
    assert (found.email, found.value) == (UNSET, 2)


@pytest.mark.parametrize("name", [None, 5, "vip", "email"])
def test_traits_of_null_say_nothing(name: object) -> None:
    """They are no object, and no fault."""
    found = trait_reader.reader(name)(msgspec.Raw(b"null"))
    assert found is None or found.email is UNSET
