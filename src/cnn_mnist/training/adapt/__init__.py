"""Fine-tuning the released classifier on one person's digits."""
