"""App configuration."""

from django.apps import AppConfig


class TeamsConfig(AppConfig):
    """The teams app."""

    name = "rpt_web.teams"
    label = "teams"

    def ready(self) -> None:
        """Logins are noted, programs name themselves in the audit trail, and moments are read quickly."""
        from django.contrib.auth.signals import user_logged_in
        from django.db.backends.signals import connection_created

        from rpt_web import moments
        from rpt_web.teams import audit, sessions

        connection_created.connect(moments.read_quickly, dispatch_uid="moments")
        connection_created.connect(audit.name_program, dispatch_uid="teams.audit")
        user_logged_in.connect(sessions.note, dispatch_uid="teams.sessions")
