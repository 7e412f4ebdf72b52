"""What a run folder holds, and how whoever reads it knows that nothing was changed."""
