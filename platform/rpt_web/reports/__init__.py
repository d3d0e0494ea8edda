"""Reports: chosen figures, tables, responses and text of a team on one page, live or frozen, shared by a link."""
