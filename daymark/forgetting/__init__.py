"""Forgets a contact: finds its records in the output topics, erases them by tombstones, marks them for the audit."""
