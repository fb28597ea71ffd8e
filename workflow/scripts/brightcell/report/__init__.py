"""The report and the pages of recordings: HTML that needs no network."""
