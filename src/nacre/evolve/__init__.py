"""How a state lives on: leaves and their sums, windows, forgetting, folding."""
