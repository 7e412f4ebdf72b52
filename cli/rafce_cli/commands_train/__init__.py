"""The commands of `rafce-train`, a module each."""
