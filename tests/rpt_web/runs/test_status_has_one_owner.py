"""Only `runs.services` changes the status of a run, and only `runs.waking` sends the task that executes one.

`jobs.services` sends that of its own jobs, and `notices.deliveries` that of messages, which are no runs."""

import ast
from pathlib import Path

ROOT = Path(__file__).parents[3]
SERVICES = ROOT / "platform" / "rpt_web" / "runs" / "services.py"
JOBS = Path("platform", "rpt_web", "jobs", "services.py")
DELIVERIES = Path("platform", "rpt_web", "notices", "deliveries.py")
WAKING = SERVICES.with_name("waking.py").relative_to(ROOT)
SOURCES = [*(ROOT / "platform").rglob("*.py"), *(ROOT / "workers").rglob("*.py")]
WRITERS = ("update", "create", "bulk_update", "get_or_create", "update_or_create")


def changes_of_status(source: str) -> list[int]:
    """Lines that assign to `.status`, or give `status=` to a method that writes rows."""
    lines = []
    for node in ast.walk(ast.parse(source)):
        targets = (
            node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
        )
        lines += [t.lineno for t in targets if isinstance(t, ast.Attribute) and t.attr == "status"]
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in WRITERS:
            lines += [node.lineno for keyword in node.keywords if keyword.arg == "status"]
    return lines


def test_the_check_finds_what_it_looks_for():
    assert changes_of_status("run.status = 'failed'") == [1]
    assert changes_of_status("Run.objects.filter(pk=1).update(status='failed')") == [1]
    assert changes_of_status("Run.objects.filter(status='failed')") == []
    assert changes_of_status(SERVICES.read_text())


def test_no_other_module_changes_a_status_or_sends_the_task():
    sources = {path.relative_to(ROOT): path.read_text() for path in SOURCES if path != SERVICES}
    assert len(sources) > 50
    assert {path: lines for path, source in sources.items() if (lines := changes_of_status(source))} == {}
    sending = {path for path, source in sources.items() if "send_task(" in source}
    assert sending == {DELIVERIES, JOBS, WAKING}
    for path, task in {DELIVERIES: "DELIVER", JOBS: "EXECUTE_JOB"}.items():
        assert f"send_task({task}," in sources[path]
        assert sources[path].count("send_task(") == 1
