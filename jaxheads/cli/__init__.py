"""The command line: a verb unpacks its options and calls with plain values."""
