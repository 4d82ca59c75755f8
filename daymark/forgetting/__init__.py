"""Forgetting a contact: what the output topics hold of it is found, erased by tombstones, and marked for the audit."""
