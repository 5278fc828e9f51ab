"""Invoking on AWS Lambda: connection pool, credentials, retries."""
