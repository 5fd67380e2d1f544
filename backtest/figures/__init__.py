"""What a result is worth: curves, figures, bands over seeds, and how they are called."""
