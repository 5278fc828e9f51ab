"""Pages of the manual that are made of the program, so that they cannot say anything else.

`python -m lambdaproxy.manual PAGE` prints one; a test compares it with the file in `docs`.
"""
