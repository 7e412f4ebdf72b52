"""The label files of RAF-ML, RAF-AU and RAF-CE: a pure parser for a line, a strict reader for a file."""
