"""Who may have a function invoked: authorizers that routes name, and the makers of the built-in ones."""
