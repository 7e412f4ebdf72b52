"""What the files of a dataset folder must agree on."""
