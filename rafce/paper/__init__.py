"""What the paper says, held against its own tables, their source, and a dataset."""
