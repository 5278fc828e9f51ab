"""Settings: each declared once, read from the command line and from a TOML file."""
