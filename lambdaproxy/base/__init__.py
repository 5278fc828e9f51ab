"""What every room may use and no event speaks of: identifiers, tables, paths, the platform, the reactor."""
