raise KeyError("at import")
