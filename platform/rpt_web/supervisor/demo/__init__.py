"""The demo: a preset's runs through the same services, queue and worker that the browser uses, and what they show."""
