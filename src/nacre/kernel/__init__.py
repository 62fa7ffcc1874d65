"""Inner loops: arrays in, arrays out."""

from nacre.kernel import cache  # noqa: F401 - before any kernel is made
