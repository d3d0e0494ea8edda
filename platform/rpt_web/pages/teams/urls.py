"""Addresses of logging in and out, of teams and of one's account."""

from django.contrib.auth.views import LogoutView
from django.urls import path

from rpt_web.pages.teams import account, alarms, disk, first, identities, joining, members, trail, views

app_name = "teams"
PERSON = "teams/<int:team_id>/people/<int:user_id>"
urlpatterns = [
    path("login/", views.LoginPage.as_view(), name="login"),
    path("login/link/<str:secret>/", views.login_link, name="login_link"),
    path("login/identity/", identities.identity_begin, name="identity_begin"),
    path("login/identity/back/", identities.identity_back, name="identity_back"),
    path("logout/", LogoutView.as_view(), name="logout"),
    path("first/<str:signed>/", first.first, name="first"),
    path("join/<str:secret>/", joining.join, name="join"),
    path("team/", members.my_team, name="my_team"),
    path("team/choose", views.choose_team, name="choose_team"),
    path("teams/", members.team_list, name="team_list"),
    path("teams/new", members.team_new, name="team_new"),
    path("teams/<int:team_id>/", members.team, name="team"),
    path("teams/<int:team_id>/trail/", trail.team_trail, name="team_trail"),
    path("trail/<slug:kind>/<int:pk>/", trail.thing_trail, name="thing_trail"),
    path("teams/<int:team_id>/disk/", disk.team_disk, name="team_disk"),
    path("teams/<int:team_id>/disk/quota", disk.team_quota, name="team_quota"),
    path("teams/<int:team_id>/disk/rule", disk.team_rule, name="team_rule"),
    path("teams/<int:team_id>/disk/remove", disk.team_remove, name="team_remove"),
    path("teams/<int:team_id>/alarms/", alarms.team_alarms, name="team_alarms"),
    path("teams/<int:team_id>/alarms/webhook", alarms.hook_store, name="hook_store"),
    path("teams/<int:team_id>/alarms/webhook/secret", alarms.hook_secret, name="hook_secret"),
    path("teams/<int:team_id>/alarms/webhook/test", alarms.hook_test, name="hook_test"),
    path("teams/<int:team_id>/alarms/limits", alarms.limits_store, name="limits_store"),
    path("teams/<int:team_id>/alarms/webhook/remove", alarms.hook_remove, name="hook_remove"),
    path("teams/<int:team_id>/rename", members.team_rename, name="team_rename"),
    path("teams/<int:team_id>/invite", members.invite, name="invite"),
    path("teams/<int:team_id>/invitations/<int:invitation_id>/withdraw", members.withdraw, name="withdraw"),
    path(f"{PERSON}/", members.person, name="person"),
    path(f"{PERSON}/role", members.person_role, name="person_role"),
    path(f"{PERSON}/remove", members.person_remove, name="person_remove"),
    path(f"{PERSON}/transfer", members.person_transfer, name="person_transfer"),
    path(f"{PERSON}/activate", members.person_activate, name="person_activate"),
    path(f"{PERSON}/factor", members.person_factor, name="person_factor"),
    path(f"{PERSON}/link", members.person_link, name="person_link"),
    path("account/", account.account, name="account"),
    path("account/password", account.password, name="password"),
    path("account/mail", account.mail_choice, name="mail_choice"),
    path("account/mail/address", account.mail_address, name="mail_address"),
    path("account/tokens", account.token_new, name="token_new"),
    path("account/tokens/<int:token_id>/revoke", account.token_revoke, name="token_revoke"),
    path("account/identities/connect", identities.identity_connect, name="identity_connect"),
    path("account/identities/<int:identity_id>/disconnect", identities.identity_disconnect, name="identity_disconnect"),
    path("account/browsers/<int:session_id>/end", account.session_end, name="session_end"),
    path("account/browsers/end", account.sessions_end, name="sessions_end"),
]
