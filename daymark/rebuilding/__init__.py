"""Claims: compares the store's with what was committed, and restores those that it lost."""
