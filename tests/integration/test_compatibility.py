"""The previous release beside what is here: a new merger takes over from the old one.

It may hand back as long as both write states of one version; else the old one refuses by name.
"""

import base64
import dataclasses
import json
import os
import re
import runpy
import subprocess
import sys
from pathlib import Path
from typing import Any, cast

import pytest
from confluent_kafka import Producer

from jetl2.devstack.kafka import Broker
from jetl2.exchanges import recording
from jetl2.exchanges.errors import UnsupportedRecording
from jetl2.schemas import avro, topics
from jetl2.schemas.records import BookState
from jetl2.testkit.merging import PARTITIONS, SYMBOLS, Traffic, merger, read, recount, wait_merged
from jetl2.testkit.previous import NoPreviousReleaseError, Previous, unpack

pytestmark = pytest.mark.integration

ROOT = Path(__file__).parents[2]
REFUSED = 4
# Of a recorded session: where snapshots, joins and gaps are
EVENTS = 400
# What the other release does with our bytes, in a process of its own
READ = """
import base64, dataclasses, json, sys
from jetl2.schemas import avro
print(json.dumps(avro.__file__))
for line in sys.stdin:
    record = avro.decode(base64.b64decode(line))
    print(json.dumps([type(record).__name__, dataclasses.asdict(record)], default=bytes.hex))
"""
WRITE = """
import base64, json, runpy, sys
from jetl2.schemas import avro
for name, values in runpy.run_path(sys.argv[1])["EXAMPLES"].items():
    record = avro.type_by_name[name](**values)
    print(json.dumps(base64.b64encode(avro.encode(record)).decode()))
"""
STATES = """
import itertools, json, sys
from pathlib import Path
from jetl2.exchanges import recording
from jetl2.exchanges.session import Session
for line in sys.stdin:
    path, number, events = json.loads(line)
    found = recording.recognise(Path(path))[number]
    session = Session(found.exchange)
    for raw in itertools.islice(recording.raw_events(found), events):
        session.feed(raw)
    print(json.dumps([session.dump(symbol).decode() for symbol in session.symbols()]))
"""
LOAD = """
import json, sys
from jetl2.exchanges import symbol_state
for line in sys.stdin:
    for state in json.loads(line):
        print(json.dumps(symbol_state.dump(symbol_state.load(state.encode())).decode()))
"""
EMPTY = """
import json
from jetl2.exchanges.symbol_state import SymbolState, dump
print(json.dumps(dump(SymbolState()).decode()))
"""


@pytest.fixture(scope="module")
def previous(tmp_path_factory: pytest.TempPathFactory) -> Previous:
    found = unpack(
        ROOT, "merger", Path(__file__).with_name("baseline.txt"), tmp_path_factory.mktemp("old")
    )
    print(f"previous release of merger: {found.name}")
    return found


def run(python_path: str, script: str, lines: list[Any] = [], *args: str) -> list[Any]:  # noqa: B006
    """Return what a script prints, line by line, with the sources of one release."""
    done = subprocess.run(
        [sys.executable, "-c", script, *args],
        input="".join(f"{line}\n" for line in lines),
        env={**os.environ, "PYTHONPATH": python_path},
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return [json.loads(line) for line in done.stdout.splitlines()]


def ours() -> str:
    return os.pathsep.join(p for p in sys.path if p)


def empty_state(python_path: str) -> dict[str, Any]:
    (state,) = run(python_path, EMPTY)
    return cast("dict[str, Any]", json.loads(state))


def live(servers: str, traffic: Traffic, log: Path, python_path: str, *, killed: bool) -> int:
    """Run a merger on some traffic, "" is of our release; return how much it replayed at first."""
    with merger(servers, log, python_path) as process:
        for _ in range(4):
            traffic.send(100)
            wait_merged(servers, traffic, processes=[process])
        if killed:
            # Some of this in a transaction that is never committed
            traffic.send(300)
            process.kill()
        else:
            assert process.terminate() == 0
        restored = process.events("task_restored")
    assert len(restored) >= PARTITIONS
    return sum(event["replayed"] for event in restored)


@pytest.fixture(scope="module")
def versions(previous: Previous) -> tuple[int, int]:
    """The versions of a symbol's state: that of the old release, and ours."""
    old, new = (empty_state(path)["version"] for path in (previous.python_path, ours()))
    return old, new


def test_a_killed_merger_is_followed_by_the_new_release(
    fresh_kafka: Broker, tmp_path: Path, previous: Previous
) -> None:
    """What the new one must then replay has to give the very records that were written."""
    servers = fresh_kafka.bootstrap_servers
    traffic = Traffic(servers)
    live(servers, traffic, tmp_path / "old.log", previous.python_path, killed=True)
    replayed = live(servers, traffic, tmp_path / "new.log", "", killed=True)
    live(servers, traffic, tmp_path / "last.log", "", killed=False)

    assert replayed > 0
    assert len(recount(servers, traffic)) == 2 * len(SYMBOLS)
    assert_read_alike(servers, previous)


def test_a_merger_that_was_stopped_in_order_leaves_nothing_to_replay_to_the_new_release(
    fresh_kafka: Broker, tmp_path: Path, previous: Previous
) -> None:
    """Holds also for a change of what is written: such upgrades begin with an orderly stop."""
    servers = fresh_kafka.bootstrap_servers
    traffic = Traffic(servers)
    live(servers, traffic, tmp_path / "old.log", previous.python_path, killed=False)

    assert live(servers, traffic, tmp_path / "new.log", "", killed=False) == 0
    recount(servers, traffic)


@pytest.mark.parametrize("killed", [True, False], ids=["killed", "stopped"])
def test_the_old_release_goes_on_or_refuses_by_name(
    fresh_kafka: Broker,
    tmp_path: Path,
    previous: Previous,
    versions: tuple[int, int],
    *,
    killed: bool,
) -> None:
    servers = fresh_kafka.bootstrap_servers
    traffic = Traffic(servers)
    live(servers, traffic, tmp_path / "new.log", "", killed=killed)

    old, new = versions
    if old == new:
        live(servers, traffic, tmp_path / "old.log", previous.python_path, killed=killed)
    else:
        with merger(servers, tmp_path / "old.log", previous.python_path) as process:
            assert process.wait(60) == REFUSED
            (event,) = process.events("refused")
        assert f"expected a session state of version {old}, found {new}" in event["problem"]
    live(servers, traffic, tmp_path / "last.log", "", killed=False)
    recount(servers, traffic)


def test_a_state_of_a_later_version_is_refused_by_name(
    fresh_kafka: Broker, tmp_path: Path, previous: Previous
) -> None:
    """What a rollback behind a change of the state's form finds."""
    servers = fresh_kafka.bootstrap_servers
    traffic = Traffic(servers)
    traffic.send(100)
    with merger(servers, tmp_path / "first.log") as process:
        wait_merged(servers, traffic, processes=[process])
        assert process.terminate() == 0
    later = forge_later_state(servers)
    markets = [topics.market("okex"), topics.market("binance")]
    before = len(list(read(servers, markets)))
    traffic.send(100)

    for name, python_path in {"old": previous.python_path, "new": ""}.items():
        with merger(servers, tmp_path / f"{name}.log", python_path) as process:
            assert process.wait(60) == REFUSED
            (event,) = process.events("refused")
        # An old release may read none of the others either
        pattern = (
            rf"cannot read the state of .+: expected .+ version \d+, found ({later - 1}|{later})"
        )
        assert re.search(pattern, event["problem"])
    assert len(list(read(servers, markets))) == before


def test_each_release_reads_every_record_of_the_other(previous: Previous) -> None:
    file = "libs/schemas/tests/test_golden.py"
    examples = runpy.run_path(str(ROOT / file))["EXAMPLES"]
    assert set(examples) == set(avro.type_by_name)
    written = [
        base64.b64encode(avro.encode(avro.type_by_name[name](**values))).decode()
        for name, values in examples.items()
    ]

    _, *read_by_old = run(previous.python_path, READ, written)
    _, *read_by_new = run(ours(), READ, written)
    assert_alike(read_by_old, read_by_new)

    of_old = run(previous.python_path, WRITE, [], str(previous.folder / file))
    _, *read_by_old = run(previous.python_path, READ, of_old)
    _, *read_by_new = run(ours(), READ, of_old)
    assert len(of_old) == len(read_by_new) > 0
    assert_alike(read_by_old, read_by_new)


def test_the_form_of_a_state_changes_with_its_version_only(
    previous: Previous, versions: tuple[int, int]
) -> None:
    old, new = versions
    forms = [shape(empty_state(path)) for path in (previous.python_path, ours())]

    assert (forms[0] == forms[1]) == (old == new)
    assert new in {old, old + 1}


def test_books_of_real_traffic_pass_to_the_new_release(previous: Previous) -> None:
    found = sessions()
    if not found:
        pytest.skip("no recordings here: set JETL2_RECORDINGS to their folder")
    lines = [json.dumps([str(path), number, EVENTS]) for path, number in found]

    states = run(previous.python_path, STATES, lines)
    loaded = [json.loads(s) for s in run(ours(), LOAD, [json.dumps(s) for s in states])]

    assert len(states) == len(found)
    written = [json.loads(state) for session in states for state in session]
    assert len(loaded) == len(written) > len(found) // 2
    for before, after in zip(written, loaded, strict=True):
        for name in ("live", "parts", "buffer", "trade_ids", "counters"):
            assert after[name] == before[name], name
        assert after["plain"]["seq"] == before["plain"]["seq"]


def test_the_previous_release_is_the_newest_tag_before_this_commit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    repository, made = scratch(tmp_path, monkeypatch)
    baseline = tmp_path / "baseline.txt"

    def found(commit: str) -> tuple[str, str]:
        """Return the name of the previous release, and the number in its sources."""
        baseline.write_text(f"Why.\n\n{commit}\n")
        folder = tmp_path / f"out-{len(list(tmp_path.iterdir()))}"
        previous = unpack(repository, "merger", baseline, folder)
        assert previous.python_path == str(folder / "services/merger")
        return previous.name, (folder / "services/merger/BUILD").read_text()

    assert found(made[1]) == (made[1], "1")
    git(repository, "tag", "merger-v0.9.0", made[2])
    git(repository, "tag", "merger-v0.10.0", made[3])
    git(repository, "tag", "ingestor-v9.0.0", made[3])
    assert found(made[1]) == ("merger-v0.10.0", "3")
    # A break that was meant, after the newest release
    assert found(made[4]) == (made[4], "4")
    # The release that is being made is not its own predecessor
    git(repository, "tag", "merger-v0.11.0", made[5])
    assert found(made[1]) == ("merger-v0.10.0", "3")


def test_a_clone_without_history_gets_it_or_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    repository, made = scratch(tmp_path, monkeypatch)
    baseline = tmp_path / "baseline.txt"
    baseline.write_text(made[0])
    for name in ("shallow", "cut-off"):
        git(tmp_path, "clone", "--quiet", "--depth=1", f"file://{repository}", name)
    git(tmp_path / "cut-off", "remote", "set-url", "origin", str(tmp_path / "nowhere"))

    found = unpack(tmp_path / "shallow", "merger", baseline, tmp_path / "out")
    assert found.name == made[0]
    with pytest.raises(NoPreviousReleaseError, match="git fetch --unshallow --tags"):
        unpack(tmp_path / "cut-off", "merger", baseline, tmp_path / "none")
    baseline.write_text("0" * 40)
    with pytest.raises(NoPreviousReleaseError, match="git cat-file -e 0000"):
        unpack(repository, "merger", baseline, tmp_path / "none")


def assert_read_alike(servers: str, previous: Previous) -> None:
    """Check that the old release reads all that lies in Kafka as ours does."""
    names = [topics.CHANGELOG]
    for exchange in ("okex", "binance"):
        names += [topics.raw(exchange), topics.market(exchange), topics.control(exchange)]
    values = [base64.b64encode(message.value() or b"").decode() for message in read(servers, names)]

    (origin, *old), (_, *new) = (run(p, READ, values) for p in (previous.python_path, ours()))

    assert origin.startswith(str(previous.folder))
    assert len(old) == len(values) > 1000
    assert_alike(old, new)


def assert_alike(old: list[Any], new: list[Any]) -> None:
    for (old_type, old_fields), (new_type, new_fields) in zip(old, new, strict=True):
        assert old_type == new_type
        assert old_fields == {name: new_fields[name] for name in old_fields}


def shape(node: Any) -> Any:
    """Return the names and kinds of what JSON holds."""
    if isinstance(node, dict):
        return {name: shape(value) for name, value in sorted(node.items())}
    return type(node).__name__


def forge_later_state(servers: str) -> int:
    """Write the newest state of a symbol as if of the next version; return that."""
    key, found = f"okex|{SYMBOLS[0]}".encode(), None
    for message in read(servers, [topics.CHANGELOG]):
        if message.key() == key:
            found = message
    assert found is not None
    state: BookState = avro.decode(found.value() or b"")
    session = json.loads(state.session)
    session["version"] += 1
    later = dataclasses.replace(state, session=json.dumps(session).encode())
    producer = Producer({"bootstrap.servers": servers})
    producer.produce(topics.CHANGELOG, avro.encode(later), key, found.partition() or 0)
    assert producer.flush(10) == 0
    return int(session["version"])


def sessions() -> list[tuple[Path, int]]:
    """Return the smallest recorded session of each exchange: its path, its part."""
    given = os.environ.get("JETL2_RECORDINGS")
    place = Path(given) if given else ROOT.parent / "shared/recordings"
    smallest: dict[str, tuple[int, Path, int]] = {}
    for path in sorted(place.glob("*/session-*")):
        try:
            parts = recording.recognise(path)
        except UnsupportedRecording:
            continue
        for number, part in enumerate(parts):
            name, size = part.exchange.name, path.stat().st_size
            smallest[name] = min(smallest.get(name, (size, path, number)), (size, path, number))
    return [(path, number) for _, path, number in smallest.values()]


def scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, list[str]]:
    """Return a repository of six commits."""
    for name, value in {"NAME": "Somebody", "EMAIL": "somebody@example.org"}.items():
        monkeypatch.setenv(f"GIT_AUTHOR_{name}", value)
        monkeypatch.setenv(f"GIT_COMMITTER_{name}", value)
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")
    repository = tmp_path / "repository"
    for folder in ("libs", "jobs", "services/merger"):
        (repository / folder).mkdir(parents=True)
    for folder in ("libs", "jobs"):
        (repository / folder / "README.md").touch()
    git(repository, "init", "--quiet")
    made = []
    for number in range(6):
        (repository / "services/merger/BUILD").write_text(str(number))
        git(repository, "add", ".")
        git(repository, "commit", "--quiet", "--message", f"Change {number}")
        made.append(git(repository, "rev-parse", "HEAD"))
    return repository, made


def git(folder: Path, *args: str) -> str:
    done = subprocess.run(["git", *args], cwd=folder, check=True, capture_output=True, text=True)
    return done.stdout.strip()
