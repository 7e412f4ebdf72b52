"""The command line: parse, call the work, then the reports, print."""
