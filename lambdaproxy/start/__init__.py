"""What starts and stops it all: from settings to listeners, and to the end of the last request."""
