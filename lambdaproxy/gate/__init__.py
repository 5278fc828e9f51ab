"""What stands before the function: who may ask from which web page, and what is answered without an invocation."""
