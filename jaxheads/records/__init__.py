"""What a study's folder holds: rows, files, and their names."""
