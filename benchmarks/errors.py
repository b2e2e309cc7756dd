"""What stops a benchmark."""

__all__ = ["BenchmarkError"]


class BenchmarkError(Exception):
    """A command failed, or the tools did unequal work; no number is worth printing then."""
