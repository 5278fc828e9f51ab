"""What holds for all tests."""

from hypothesis import HealthCheck, settings

# How long an example takes says something about the machine and what else it does, not about us.
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")
