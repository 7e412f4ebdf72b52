"""Tables, figures and pages made from the files that the other packages write (no torch here)."""
