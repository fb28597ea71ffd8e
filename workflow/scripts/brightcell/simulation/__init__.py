"""Simulated time-lapses with known cells."""
