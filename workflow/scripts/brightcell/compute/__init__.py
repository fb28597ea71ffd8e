"""Where jobs run: backends and devices, SLURM, containers."""
