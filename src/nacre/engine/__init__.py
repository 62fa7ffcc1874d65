"""Where the work runs: engines, the canonical sum, and failures with their place."""
