"""The function that has to stand behind the door: `echo.py` for Python, `echo.mjs` for Node."""
