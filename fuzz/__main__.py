"""``python -m fuzz``: fuzz every target for a while, and say what was found.

Each target gets its share of the time on one of the workers. It begins with its seeds, the
committed corpus and what earlier campaigns on this machine have collected in ``build/fuzz/``, where
findings go too.
The exit code is 1 if there is a finding, 2 if a target did not run, 0 otherwise.
"""

from __future__ import annotations

import argparse
import hashlib
import re
import secrets
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from fuzz.findings import minimise
from fuzz.targets import Target, load, names

ROOT = Path(__file__).parents[1]
WORK = ROOT / "build" / "fuzz"
#: For one input; the slowest honest ones take milliseconds.
INPUT_SECONDS = 20
MEMORY_MB = 2048


@dataclass(frozen=True)
class Report:
    """What became of one target: ``edges`` are branches of instrumented code that were reached."""

    target: str
    executions: int
    seconds: float
    edges: int
    corpus: int
    findings: tuple[Path, ...]
    failed: str = ""


def main() -> int:
    """Run the campaign that the command line describes."""
    options = _options()
    seed = options.seed if options.seed is not None else secrets.randbelow(1 << 31) + 1
    targets = [load(name) for name in options.target or names()]
    total = options.minutes * 60 * min(options.workers, len(targets))
    shares = sum(target.share for target in targets)
    print(
        f"seed {seed}, {_some(len(targets), 'target')}, {_some(options.workers, 'worker')}, "
        f"{options.minutes:g} minutes",
        flush=True,
    )
    # The longest first: the workers end together.
    targets.sort(key=lambda target: -target.share)
    with ThreadPoolExecutor(options.workers) as pool:
        jobs = [
            pool.submit(fuzz, target, seed, max(1, round(total * target.share / shares)))
            for target in targets
        ]
        reports = [job.result() for job in jobs]
    _print(sorted(reports, key=lambda report: report.target))
    if any(report.findings for report in reports):
        return 1
    return 2 if any(report.failed for report in reports) else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m fuzz", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10, help="for all targets together")
    parser.add_argument("--workers", type=int, default=2, help="targets at once")
    parser.add_argument("--seed", type=int, help="of every target's mutations; else a random one")
    parser.add_argument(
        "target", nargs="*", choices=[*names(), []], metavar="TARGET", help="all, if none is named"
    )
    return parser.parse_args()


def fuzz(target: Target, seed: int, seconds: int) -> Report:
    """Fuzz one target in a process of its own, then make its findings small."""
    corpus, findings = WORK / target.name / "corpus", WORK / target.name / "findings"
    corpus.mkdir(parents=True, exist_ok=True)
    findings.mkdir(parents=True, exist_ok=True)
    for data in target.seeds():
        (corpus / hashlib.sha256(data).hexdigest()).write_bytes(data)
    before = {path: path.stat().st_mtime_ns for path in findings.iterdir()}
    started = time.monotonic()
    command = [sys.executable, "-m", "fuzz.engine", target.name, str(findings)]
    limits = {
        "seed": seed,
        "max_total_time": seconds,
        "max_len": target.max_len,
        "timeout": INPUT_SECONDS,
        "rss_limit_mb": MEMORY_MB,
        "print_final_stats": 1,
        "artifact_prefix": f"{findings}/",
    }
    flags = [f"-{name}={value}" for name, value in limits.items()]
    run = subprocess.run(
        [*command, *flags, str(corpus), str(target.corpus)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        errors="replace",
    )
    took = time.monotonic() - started
    (WORK / target.name / "log.txt").write_text(run.stderr)
    found = [path for path in findings.iterdir() if path.stat().st_mtime_ns != before.get(path)]
    found = sorted(path for path in found if path.suffix == "")
    for path in found:
        if path.name.startswith("finding-"):
            path.write_bytes(minimise(target.check, path.read_bytes()))
    failed = run.stderr[-500:] if run.returncode and not found else ""
    executions, edges = counts(run.stderr)
    return Report(
        target.name, executions, took, edges, len(list(corpus.iterdir())), tuple(found), failed
    )


def counts(log: str) -> tuple[int, int]:
    """Executions and edges from libFuzzer's last line of progress."""
    progress = re.findall(r"^#(\d+)\s.*?cov: (\d+)", log, re.MULTILINE)
    executions, edges = progress[-1] if progress else (0, 0)
    return int(executions), int(edges)


def _some(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"


def _print(reports: list[Report]) -> None:
    print(
        f"{'target':<22} {'executions':>12} {'per second':>10} {'edges':>6} {'corpus':>6}  findings"
    )
    for report in reports:
        rate = report.executions / report.seconds
        print(
            f"{report.target:<22} {report.executions:>12,} {rate:>10,.0f} {report.edges:>6} "
            f"{report.corpus:>6}  {len(report.findings)}"
        )
    for report in reports:
        for path in report.findings:
            print(f"FINDING {report.target}: python -m fuzz.replay {report.target} {path}")
        if report.failed:
            print(f"FAILED {report.target}: {report.failed}")


if __name__ == "__main__":
    sys.exit(main())
