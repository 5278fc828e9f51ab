"""The dialects of AWS's front doors, both ways: pure, synchronous, standard library only (orjson where present)."""
