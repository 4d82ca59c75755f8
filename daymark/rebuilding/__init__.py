"""Claims: compares those in the store with what was committed, and restores lost ones."""
