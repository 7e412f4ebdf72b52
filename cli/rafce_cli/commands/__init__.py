"""The commands of `rafce`, a module each."""
