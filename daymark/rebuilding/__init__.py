"""Claims: how many the store holds of what was committed, and how those that it lost are set again."""
