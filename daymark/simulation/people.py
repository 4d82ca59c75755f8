"""The people of a simulated audience: their addresses, and the spellings these arrive in.

Invariant: an address is in its normalised form, belongs to one number, and every spelling of it normalises to it. The
domains are reserved for examples (RFC 2606): no mail can reach anybody.
"""

import unicodedata

_NAMES = """
    peter ada grace alan mary björn irene yusuf mei olga carlos fatima zoë ivan aisha lucas
    nina hugo sara tom leila marta kofi anna raj elena noah emma luis chloé omar julia
    gibbons lovelace hopper turing jackson ek silva demir chen petrova garcia haddad baker novak khan meyer
    rossi dubois lind clark nasser kowalska mensah schmidt patel popov martin keller ortega moreau aziz weber
"""
_FIRST, _LAST = _NAMES.split()[:32], _NAMES.split()[32:]
_DOMAINS = ("example.com", "example.org", "example.net", "mail.example.com", "shop.example", "work.example.org")

# How many choices of a spelling there are; few of them are odd, as in the wild.
SPELLINGS = 64


def address(number: int) -> str:
    """Return the normalised e-mail address of the person with this number."""
    first = _FIRST[number % 32]
    last = _LAST[number // 32 % 32]
    return f"{first}.{last}.{number}@{_DOMAINS[number % 6]}"


def spelled(email: str, choice: int) -> str:
    """Return an address as somebody typed it; `choice` is below `SPELLINGS`, most leave it as it is."""
    match choice:
        case 0 | 1:
            return email.title()
        case 2:
            return email.upper()
        case 3:
            return f" {email} "
        case 4:
            return unicodedata.normalize("NFD", email)
        case _:
            return email
