"""The bill: what the requests of this process would have cost in front of AWS's own services, and whom they refuse."""
