"""What watches: accounts of every request, logs and where they are written, metrics."""
