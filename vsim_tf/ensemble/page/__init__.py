"""`report.html`: the report of a whole run as one page of HTML, with curves, examples and errors."""
