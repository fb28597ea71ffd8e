"""Which cells to draw next, what a person made of them, and whether networks gain by it."""
