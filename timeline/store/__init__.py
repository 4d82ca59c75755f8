"""The read model: what the output topics say, as tables of SQLite or PostgreSQL.

`tables` is the schema; `Store` answers; `Writer` takes batches of records, with the offsets up to which they reach, in
one transaction each.
"""

from timeline.store.database import Store, StoreDown, WrongURL, opened

__all__ = ["Store", "StoreDown", "WrongURL", "opened"]
