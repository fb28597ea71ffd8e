"""Print a table of the corpus and what became of each case, at the end of the tests."""

WIDTH = 150


def pytest_terminal_summary(terminalreporter):
    """Gather the rows that the tests recorded, also those of other processes."""
    rows = [
        (*value, report.outcome)
        for reports in terminalreporter.stats.values()
        for report in reports
        for name, value in getattr(report, "user_properties", ())
        if name == "corpus" and getattr(report, "when", "") == "call"
    ]
    if not rows:
        return
    terminalreporter.section(f"{len(rows)} broken or odd inputs")
    wide = max(len(name) for _, name, _, _ in rows)
    for kind, name, text, outcome in sorted(rows):
        line = f"{'ok  ' if outcome == 'passed' else 'FAIL'} {kind:6} {name:{wide}}  {text}"
        terminalreporter.write_line(line if len(line) <= WIDTH else line[: WIDTH - 1] + "…")
