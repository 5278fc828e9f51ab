"""Shows people the requests as they come: what was asked, the event, the log, the result, the answer, and the time."""
