"""How large an installation must be for a load, from what was measured: `daymark size` (contract, section 8)."""
