"""What the control socket says of runs and rounds."""

from __future__ import annotations

from run_sites import Puppet, Site, World

from qrfld.protocol.messages import RoundStart
from qrfld.rounds.summary import config_summary, round_summary, run_summary


async def summary(site: Site, run: bytes) -> dict[str, object]:
    row = await site.database.run(run)
    assert row is not None
    return await run_summary(site.node, site.runs, row)


async def cast(world: World) -> tuple[Site, Puppet, Puppet]:
    site, a, b = await world.site("c"), world.puppet("a"), world.puppet("b")
    world.network.connect_all()
    return site, a, b


async def test_run_is_told_from_its_start_to_its_end(world: World) -> None:
    site, a, b = await cast(world)
    run = await site.start(rounds=2, quorum=2, seed=9)
    start = await a.hears(RoundStart)
    told = await summary(site, run)
    assert told == {
        "run": run.hex(),
        "task": "Tiny",
        "rule": "mean",
        "f": 0,
        "state": "running",
        "phase": "training",
        "round": 0,
        "rounds": 2,
        "coordinator": site.id.short,
        "coordinator_name": "c",
        "accuracy": None,
        "reason": "",
        "role": "coordinator",
        "members": 3,
        "started_at": 1_800_000_000,
    }
    assert (await a.receipt(site, a.update(start))).accepted
    world.network.disconnect(b.id)
    await a.score(site, 0.1)
    done = await a.record(site)
    assert ((told := await summary(site, run))["round"], told["accuracy"]) == (1, done.accuracy)
    await a.takes_part(site)
    await site.reaches(run, "finished")
    told = await summary(site, run)
    assert (told["state"], told["phase"], told["round"]) == ("finished", "", 2)


async def test_run_below_its_quorum_is_told_as_waiting(world: World) -> None:
    site, a, b = await cast(world)
    for puppet in (a, b):
        world.network.disconnect(puppet.id)
    run = await site.start(rounds=1, quorum=2)
    await site.phase(run, "waiting")
    told = await summary(site, run)
    assert (told["state"], told["phase"]) == ("waiting", "waiting: 1 of quorum 2")
    await site.runs.stop_run(run)
    assert (told := await summary(site, run))["state"] == "stopped"
    assert told["reason"] == "stopped by its operator"


async def test_trainer_tells_of_its_own_part(world: World) -> None:
    site, other = await world.site("c"), await world.site("t")
    world.network.connect_all()
    run = await site.start(rounds=1)
    for each, role in ((site, "coordinator"), (other, "trainer")):
        await each.reaches(run, "finished")
        told = await summary(each, run)
        assert (told["role"], told["coordinator_name"]) == (role, "c")


async def test_config_is_told_whole(world: World) -> None:
    site, _, _ = await cast(world)
    run = await site.start(rounds=2, rule="median", params={"lr": 0.5}, deadline_seconds=7.0)
    row = await site.database.run(run)
    assert row is not None
    told = config_summary(row.config, site.mesh)
    assert told["params"] == {"lr": 0.5}
    assert (told["rule"], told["f"], told["quorum"]) == ("median", 1, 3)
    assert (told["deadline_seconds"], told["seed"]) == (7.0, 0)
    assert [member["name"] for member in told["members"]] == ["c", "a", "b"]
    assert len(told["task_digest"]) == 64


async def test_round_names_who_was_used_suspected_refused_and_late(world: World) -> None:
    site = await world.site("c")
    puppets = [world.puppet(name) for name in ("good", "bad", "broken", "late", "fine")]
    world.network.connect_all()
    world.network.disconnect(puppets[3].id)
    good, bad, broken, _, fine = puppets
    await site.start(rounds=1, rule="trimmed-mean", f=1, quorum=3)
    start = await broken.hears(RoundStart)
    await broken.mesh.send(site.id, broken.update(start, float("nan")))
    for puppet, values in ((good, 1.5), (bad, -90.0), (fine, 1.2)):
        start = await puppet.hears(RoundStart)
        await puppet.mesh.send(site.id, puppet.update(start, values))
    for puppet in (broken, good, bad, fine):
        await puppet.score(site)
    record = await good.record(site)
    told = round_summary(record, b"i" * 32, site.mesh)
    verdicts = {update["name"]: update["verdict"] for update in told["updates"]}
    assert verdicts == {
        "c": "used",
        "good": "used",
        "bad": "suspect",
        "fine": "used",
        "broken": "refused",
    }
    assert told["suspects"] == ["bad", "broken"]
    assert told["stragglers"] == ["late"]
    assert (told["round"], told["record"], told["evaluations"]) == (1, (b"i" * 32).hex(), 5)
    assert told["model"] == record.model.hex()
