"""HTTP -> segment.events, and nothing else."""
