"""The embedded Lambda: functions in worker processes behind a Runtime API of our own."""
