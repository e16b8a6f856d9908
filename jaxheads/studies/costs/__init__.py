"""What studies cost, before they run."""
