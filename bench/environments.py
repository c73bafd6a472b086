"""Plays Python's MiniGrid and ours in turns and compares their speed; see bench/environments."""

import contextlib
import io
import json
import statistics
import subprocess
import sys
import time
import zlib

STEPS = 200  # after a reset, as in env_bench.cc
SEEDS = 10
PASSES = 20  # of ours; Python's is long enough with one


class Lcg:
    """The generator of env_bench.cc."""

    def __init__(self, seed):
        self.state = seed

    def below(self, bound):
        self.state = (self.state * 6364136223846793005 + 1442695040888963407) % 2**64
        return (self.state >> 33) % 2**32 % bound


def play(level):
    """One level as env_bench plays it: a dictionary as env_bench prints it."""
    import gymnasium
    import minigrid  # registers its levels

    with contextlib.redirect_stdout(io.StringIO()):  # it prints rejected samples
        env = gymnasium.make(level).unwrapped
        step_seconds = reset_seconds = 0.0
        checksum = 0
        for seed in range(SEEDS):
            random = Lcg(seed)
            actions = [random.below(6) for _ in range(STEPS)]
            begin = time.process_time()
            obs, _ = env.reset(seed=seed)
            between = time.process_time()
            total = 0.0
            for action in actions:
                obs, reward, _, _, _ = env.step(action)
                total += reward
            step_seconds += time.process_time() - between
            reset_seconds += between - begin
            checksum = zlib.crc32(obs["image"].tobytes() + bytes([int(total * 100) % 256]), checksum)
    return {
        "name": level,
        "steps": SEEDS * STEPS,
        "step_seconds": step_seconds,
        "resets": SEEDS,
        "reset_seconds": reset_seconds,
        "checksum": checksum,
    }


def ours(program, *arguments):
    output = subprocess.run([program, "--json", *arguments], check=True, capture_output=True, text=True)
    return [json.loads(line) for line in output.stdout.splitlines()]


def speed(rows, what):
    return statistics.median(row[what + "s"] / row[what + "_seconds"] for row in rows)


def main():
    program, rounds = sys.argv[1], int(sys.argv[2])
    mine, theirs = {}, {}
    for _ in range(rounds):
        for row in ours(program, "--primitives", "--seeds", str(SEEDS), "--passes", str(PASSES)):
            mine.setdefault(row["name"], []).append(row)
            peer = play(row["name"])
            theirs.setdefault(row["name"], []).append(peer)
            if peer["checksum"] != row["checksum"]:
                sys.exit(f"{row['name']}: the two saw different things")
    print(f"One core, medians of {rounds} rounds in turns; a step includes the agent's view.")
    print(f"{'level':30}{'steps/s':>12}{'MiniGrid':>10}{'ratio':>8}{'resets/s':>12}{'MiniGrid':>10}{'ratio':>8}")
    ratios = []
    for name in mine:
        line = f"{name:30}"
        for what in ("step", "reset"):
            a, b = speed(mine[name], what), speed(theirs[name], what)
            line += f"{a:12,.0f}{b:10,.0f}{a / b:8.0f}"
            ratios.append((what, a / b))
        print(line)
    for what in ("step", "reset"):
        middle = statistics.median(ratio for kind, ratio in ratios if kind == what)
        print(f"median ratio of {what}s: {middle:.0f}")
    print("\nText environments, ours alone (no peer on a package registry):")
    for row in ours(program, "--passes", "3")[-4:]:
        print(f"{row['name']:30}{speed([row], 'step'):12,.0f} turns/s{speed([row], 'reset'):12,.0f} resets/s")


if __name__ == "__main__":
    main()
