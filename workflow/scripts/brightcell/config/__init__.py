"""The config: checked against its schema, explained in its manual, suggested from data."""
