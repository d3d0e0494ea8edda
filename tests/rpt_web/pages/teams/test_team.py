"""The pages of a team: who is in it, inviting by a link, roles, leaving, transfer, switching an account off."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.db import connection, transaction
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from rpt_web.runs import ownership, services
from rpt_web.runs.models import Experiment, Run
from rpt_web.teams import membership
from rpt_web.teams.membership import first_team, join
from rpt_web.teams.models import Invitation, Membership, Role, Team, User
from tests.factories import PASSWORD, make_user
from tests.rpt_web.api_client import ROOT, client_of
from tests.rpt_web.corpora.senders import until
from tests.rpt_web.markup import flat
from tests.suite_graphs import ALONE, plan


@pytest.fixture
def head(db):
    return make_user("head", Role.ADMINISTRATOR)


@pytest.fixture
def team(head):
    return first_team()


@pytest.fixture
def browser(client, head):
    client.force_login(head)
    return client


def address(name, team, person=None, **more):
    return reverse(f"teams:{name}", args=[team.pk, *([person.pk] if person else []), *more.values()])


def invited(browser, team, role="member", **more):
    """The path of the link that the page shows."""
    answer = browser.post(address("invite", team), {"role": role, "note": "Grace", "days": 7} | more)
    assert answer.status_code == 200, flat(answer)
    return re.search(r"http://testserver(/join/[^<]+/)<", flat(answer))[1]


NEW = {"username": "grace", "email": "", "new_password": PASSWORD, "again": PASSWORD}


def test_an_invitation_makes_an_account_in_the_team_once(browser, team):
    link = invited(browser, team, role="viewer")
    text = flat(browser.get(address("team", team)))
    assert "Grace" in text
    assert link not in text, "it is shown once"
    guest = Client()
    for _ in range(2):
        assert "as viewer" in flat(guest.get(link)), "looking does not use it up"
    answer = guest.post(link, NEW)
    assert (answer.status_code, answer["Location"]) == (302, address("team", team))
    assert "You are now in the team" in flat(guest.get(address("team", team)))
    place = Membership.objects.get(user__username="grace")
    assert (place.team, place.role) == (team, Role.VIEWER)
    assert place.user.check_password(PASSWORD)
    assert Invitation.objects.get().used_by == place.user
    assert Client().get(link).status_code == Client().post(link, NEW | {"username": "eve"}).status_code == 410
    assert not User.objects.filter(username="eve").exists()


def test_somebody_with_an_account_joins_by_a_button_and_loses_no_role(browser, team):
    other = Team.objects.create(name="Other")
    ada, root = make_user("ada", Role.ADMINISTRATOR), make_user("cy", Role.MEMBER, team=other)
    for user, before, after in ((ada, Role.ADMINISTRATOR, Role.ADMINISTRATOR), (root, None, Role.VIEWER)):
        link, guest = invited(browser, team, role="viewer"), Client()
        guest.force_login(user)
        assert f"Join as {user}" in flat(guest.get(link))
        assert guest.post(link)["Location"] == address("team", team)
        assert Membership.objects.get(user=user, team=team).role == after, before


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"username": "HEAD"}, "Somebody has this user name already"),
        ({"username": "\uff48ead"}, "Somebody has this user name already"),  # stored, its wide letter is a usual one
        ({"username": "\ufdfa" * 100}, "at most 150 characters"),  # stored, each of its letters is eighteen
        ({"username": "a b"}, "Enter a valid username"),
        ({"again": "something else"}, "The two passwords are not the same"),
        ({"new_password": "12345678", "again": "12345678"}, "too common"),
        ({"new_password": "x", "again": "x"}, "too short"),
        ({"email": "nowhere"}, "valid email"),
    ],
)
def test_what_cannot_be_an_account_is_told_and_leaves_the_link(browser, team, wrong, words):
    link, guest = invited(browser, team), Client()
    answer = guest.post(link, NEW | wrong)
    assert (answer.status_code, words in flat(answer)) == (422, True), flat(answer)
    assert User.objects.count() == 1
    assert guest.get(link).status_code == 200


@pytest.mark.django_db(transaction=True)
def test_somebody_who_was_faster_with_a_name_is_told_of_and_the_link_stays(browser, team):
    link = invited(browser, team)
    with ThreadPoolExecutor(1) as pool:
        with transaction.atomic():
            make_user(NEW["username"])
            late = pool.submit(_posted_alone, link)
            until(_somebody_waits)
        answer = late.result()
    assert (answer.status_code, "Choose another name" in flat(answer)) == (422, True)
    assert Client().get(link).status_code == 200


def _posted_alone(link):
    try:
        return Client().post(link, NEW)
    finally:
        connection.close()


def _somebody_waits():
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_locks WHERE NOT granted")
        return cursor.fetchone()[0]


@pytest.mark.django_db(transaction=True)
def test_two_teams_that_get_one_name_at_the_same_time_keep_apart(browser, team):
    other = Team.objects.create(name="Other")
    with ThreadPoolExecutor(1) as pool:
        with transaction.atomic():
            membership.rename(other, "Zurich")
            late = pool.submit(_renamed_alone, browser, team)
            until(_somebody_waits)
        assert "There is a team named" in flat(late.result())


def _renamed_alone(browser, team):
    try:
        return browser.post(address("team_rename", team), {"name": "Zurich"})
    finally:
        connection.close()


def test_an_invitation_expires_and_can_be_withdrawn(browser, team):
    late, withdrawn = invited(browser, team), invited(browser, team)
    first, second = Invitation.objects.order_by("id")
    assert timedelta(days=6) < first.expires_at - timezone.now() <= timedelta(days=7)
    Invitation.objects.filter(pk=first.pk).update(expires_at=timezone.now())
    assert browser.post(address("withdraw", team, second)).status_code == 302
    for link in (late, withdrawn):
        assert "no longer works" in flat(Client().get(link))
        assert Client().post(link, NEW).status_code == 410
    assert browser.post(address("withdraw", team, first)).status_code == 404


@pytest.mark.parametrize("role", [Role.VIEWER, Role.MEMBER])
def test_others_see_who_is_there_and_are_offered_nothing(browser, client, head, team, role):
    invited(browser, team)
    client.force_login(make_user("eve", role))
    text = flat(client.get(address("team", team)))
    assert "head" in text
    for hidden in ("invite", "rename", "people/", "Grace"):
        assert hidden not in text
    assert client.post(address("invite", team), {"role": "administrator", "days": 7}).status_code == 403
    assert client.post(address("person_role", team, head), {"role": "viewer"}).status_code == 403


def test_a_role_is_changed_and_the_last_administrator_stays(browser, team, head):
    ada = make_user("ada")
    answer = browser.post(address("person_role", team, ada), {"role": "administrator"}, follow=True)
    assert "ada is now an administrator of Team." in flat(answer)
    assert browser.post(address("person_role", team, head), {"role": "member"}).status_code == 302
    assert Membership.objects.get(user=head).role == Role.MEMBER
    other = Client()
    other.force_login(ada)
    for path, posted in (
        (address("person_role", team, ada), {"role": "viewer"}),
        (address("person_remove", team, ada), {}),
    ):
        assert "the only administrator of Team" in flat(other.post(path, posted, follow=True))
    assert Membership.objects.get(user=ada).role == Role.ADMINISTRATOR
    assert other.post(address("person_role", team, ada), {"role": "king"}).status_code == 422


def test_who_leaves_sees_nothing_more_and_what_they_owned_goes_to_somebody_else(browser, team, head):
    ada, bob = make_user("ada"), make_user("bob")
    experiment = services.create_experiment("Hers", ada)
    services.submit_suite(experiment, plan(ALONE), ada)
    services.create_experiment("His", bob)
    elsewhere = services.create_experiment("Elsewhere", ada, team=Team.objects.create(name="Other"))
    page = flat(browser.get(address("person", team, ada)))
    assert "1 experiment and 1 run" in page
    assert browser.post(address("person_transfer", team, ada), {"to": bob.pk}).status_code == 302
    assert set(Experiment.objects.filter(created_by=bob).values_list("name", flat=True)) == {"Hers", "His"}
    assert Run.objects.get().created_by == bob
    assert Experiment.objects.get(pk=elsewhere.pk).created_by == ada, "only what is this team's"
    assert client_of(bob).post(f"{ROOT}/runs/{Run.objects.get().pk}/cancel").status_code == 202
    assert ownership.count(team, ada) == {}
    caller = client_of(ada)
    assert caller.get(f"{ROOT}/experiments/{experiment.pk}").status_code == 200
    assert browser.post(address("person_remove", team, ada)).status_code == 302
    assert caller.get(f"{ROOT}/experiments/{experiment.pk}").status_code == 404


def test_a_viewer_or_a_stranger_cannot_be_given_anything(browser, team):
    ada, eve = make_user("ada"), make_user("eve", Role.VIEWER)
    stranger = make_user("cy", team=Team.objects.create(name="Other"))
    services.create_experiment("Hers", ada)
    for taker in (eve, stranger, ada):
        assert browser.post(address("person_transfer", team, ada), {"to": taker.pk}).status_code == 422
    assert Experiment.objects.get().created_by == ada


def test_an_account_is_switched_off_and_on_again(browser, team):
    ada = make_user("ada")
    hers, caller = Client(), client_of(ada)
    hers.force_login(ada)
    assert browser.post(address("person_activate", team, ada), {"active": "no"}).status_code == 302
    assert hers.get("/").status_code == 302, "logged out"
    assert caller.get(f"{ROOT}/runs").status_code == 401
    assert "switched off" in flat(browser.get(address("team", team)))
    browser.post(address("person_activate", team, ada), {"active": "yes"})
    assert hers.get("/").status_code == 200
    assert caller.get(f"{ROOT}/runs").status_code == 200


@pytest.mark.parametrize("who", ["in another team too", "server administrator", "oneself"])
def test_an_account_that_others_have_a_say_in_is_not_managed(browser, team, head, who):
    ada = head if who == "oneself" else make_user("ada")
    if who == "in another team too":
        join(ada, Team.objects.create(name="Other"))
    elif who == "server administrator":
        User.objects.filter(pk=ada.pk).update(is_superuser=True)
    assert "Switch the account off" not in flat(browser.get(address("person", team, ada)))
    for name in ("person_activate", "person_link"):
        assert browser.post(address(name, team, ada)).status_code == 403
    assert User.objects.get(pk=ada.pk).is_active


def test_a_login_link_sets_a_new_password_without_the_old_one(browser, team):
    ada = make_user("ada", password="forgotten by now")
    answer = flat(browser.post(address("person_link", team, ada)))
    link = re.search(r"http://testserver(/login/link/[^<]+/)<", answer)[1]
    hers = Client()
    hers.post(link)
    page = flat(hers.get("/account/"))
    assert "old_password" not in page
    assert "You came by a link" in page
    assert hers.post("/account/password", {"new_password": PASSWORD, "again": PASSWORD}).status_code == 302
    ada.refresh_from_db()
    assert ada.check_password(PASSWORD)
    assert "old_password" in flat(hers.get("/account/")), "once"


@pytest.mark.parametrize("since", ["another team", "a new password"])
def test_a_login_link_that_would_let_into_more_than_it_was_made_for_is_worth_nothing(browser, team, since):
    ada = make_user("ada", password=PASSWORD)
    link = re.search(r"(/login/link/[^<]+/)<", flat(browser.post(address("person_link", team, ada))))[1]
    hers = Client()
    hers.force_login(ada)
    if since == "another team":
        secret = Invitation.issue(Team.objects.create(name="Other"), Role.VIEWER, ada)
        assert hers.post(f"/join/{secret}/").status_code == 302
    else:
        new = {"old_password": PASSWORD, "new_password": f"{PASSWORD} 2", "again": f"{PASSWORD} 2"}
        assert hers.post("/account/password", new).status_code == 302
    assert Client().post(link).status_code == 410
    assert "login link" in flat(browser.get(f"/teams/{team.pk}/trail/")), "who made it is kept"


def test_a_server_administrator_makes_teams(client, team):
    root = User.objects.create_superuser("root")
    client.force_login(root)
    made = client.post("/teams/new", {"name": " Zurich "})
    assert made["Location"] == address("team", Team.objects.get(name="Zurich"))
    for name, words in (("Zurich", "a team named"), ("", "required"), ("a\u202eb", "printable"), (" ", "required")):
        answer = client.post("/teams/new", {"name": name})
        assert (answer.status_code, words in flat(answer)) == (422, True), name
    assert "root" in flat(client.get(address("team", team)))


def test_only_a_server_administrator_makes_teams(browser):
    assert "New team" not in flat(browser.get("/teams/"))
    assert browser.post("/teams/new", {"name": "Mine"}).status_code == 403


def test_a_team_gets_another_name(browser, team):
    Team.objects.create(name="Taken")
    assert browser.post(address("team_rename", team), {"name": "Taken"}).status_code == 422
    assert browser.post(address("team_rename", team), {"name": "Zurich"}).status_code == 302
    team.refresh_from_db()
    assert team.name == "Zurich"


def test_somebody_in_no_team_is_told_what_to_do(client, db):
    client.force_login(make_user("alone", None))
    assert "An administrator of a team can invite you" in flat(client.get("/team/", follow=True))
    assert client.get("/").status_code == 200


def test_people_and_invitations_of_a_large_team_come_in_pages(browser, team, head, django_assert_max_num_queries):
    names = [f"p{number:03d}" for number in range(230)]
    people = User.objects.bulk_create(User(username=name) for name in reversed(names))
    Membership.objects.bulk_create(Membership(user=person, team=team) for person in people)
    later = timezone.now() + timedelta(days=1)
    Invitation.objects.bulk_create(
        Invitation(team=team, note=f"note {number:03d}", digest=str(number), expires_at=later, invited_by=head)
        for number in range(130)
    )
    found = {"after": ["head"], "before": []}
    patterns = {"after": r">(p\d{3}|head)</a>", "before": r">(note \d{3})</th>"}
    for key, pattern in patterns.items():
        seen, query = [], ""
        while query is not None:
            with django_assert_max_num_queries(10):
                text = flat(browser.get(address("team", team) + query))
            seen += re.findall(pattern, text)
            query = next(iter(re.findall(rf'href="(\?{key}=\d+)"', text)), None)
        found[key] = seen
    assert found["after"] == ["head", *names]
    assert found["before"] == [f"note {number:03d}" for number in reversed(range(130))]
