"""What the studies of several papers use; knows no transport."""
