"""The sample sheet, and the ways to make one."""
