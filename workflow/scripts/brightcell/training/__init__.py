"""Train a network on patches of frames."""
