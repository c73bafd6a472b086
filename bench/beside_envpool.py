"""Sojourn's BabyAI beside EnvPool's, both in C++ on one core; see bench/envpool."""

import json
import os
import statistics
import subprocess
import sys
import time

import envpool
import numpy

TOGETHER = 256  # EnvPool's environments in a batch: the more, the less its Python costs
STEPS = 400


def play(level):
    """(steps/s, resets per step): random actions, ended episodes start again by themselves."""
    env = envpool.make_gymnasium(level, num_envs=TOGETHER, num_threads=1, seed=1)
    draw = numpy.random.default_rng(1)
    actions = draw.integers(0, 6, (STEPS, TOGETHER)).astype(env.action_space.dtype)
    env.reset()
    ends = 0
    begin = time.perf_counter()
    for action in actions:
        _, _, terminated, truncated, _ = env.step(action)
        ends += int(numpy.sum(terminated | truncated))
    seconds = time.perf_counter() - begin
    return STEPS * TOGETHER / seconds, ends / (STEPS * TOGETHER)


def main():
    program, rounds = sys.argv[1], int(sys.argv[2])
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    known = set(envpool.list_all_envs())
    ratios, speeds = {}, {}
    for _ in range(rounds):
        output = subprocess.run([program, "--json", "--primitives", "--seeds", "20", "--passes", "20"], check=True,
                                capture_output=True, text=True)
        for row in map(json.loads, output.stdout.splitlines()):
            level = row["name"]
            if level not in known:
                continue
            theirs, resets = play(level)
            # Ours with as many resets per step as EnvPool had.
            seconds = row["step_seconds"] / row["steps"] + resets * row["reset_seconds"] / row["resets"]
            ratios.setdefault(level, []).append(1 / seconds / theirs)
            speeds.setdefault(level, []).append((1 / seconds, theirs))
    print(f"One core, medians of {rounds} rounds in turns; steps with views, and a new level after each episode.")
    print(f"{'level':30}{'steps/s':>12}{'EnvPool':>12}{'ratio':>8}")
    for level, each in speeds.items():
        mine, theirs = (statistics.median(pair[i] for pair in each) for i in (0, 1))
        print(f"{level:30}{mine:12,.0f}{theirs:12,.0f}{statistics.median(ratios[level]):8.1f}")
    print(f"median ratio: {statistics.median(statistics.median(r) for r in ratios.values()):.1f}")


if __name__ == "__main__":
    main()
