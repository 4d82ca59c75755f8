"""segment.events -> decisions -> one transaction: the workers' half of Daymark."""
