"""One compiled step over data: metrics, attention maps, streams."""
