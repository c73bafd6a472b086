"""Records what ALFWorld's original text engine does with the games in this folder, which `sojourn data make alfworld` made:
a walkthrough and random commands for each, one JSON object a line.

  pip install textworld==1.7.0 fast-downward-textworld==20.6.4    (Python 3.11)
  python make_recordings.py | xz -9 > recorded.jsonl.xz
"""
import glob
import json
import os
import random
from collections import Counter

import textworld
from textworld import EnvInfos

FOLDER = os.path.dirname(os.path.abspath(__file__))
RANDOM_STEPS = 40


def names(ids):
    """The names that ALFWorld gives to things, by their ids: of one kind, the last has number 1."""
    def base(id):
        return id.split("_bar_", 1)[0] + ("basin" if "basin" in id else "")

    left = Counter(base(id) for id in ids if "_bar_" in id)
    result = {}
    for id in sorted(ids):
        if "_bar_" not in id:
            result[id] = id + " "
            continue
        result[id] = "%s %d" % (base(id), left[base(id)])
        left[base(id)] -= 1
    return result


class Naming(textworld.core.Wrapper):
    def load(self, *args, **kwargs):
        super().load(*args, **kwargs)
        things = self._wrapped_env._entity_infos
        for id, name in names(list(things)).items():
            things[id].name = name


def shown(state, **more):
    return {"feedback": state.feedback, "admissible_commands": state.admissible_commands, "won": state.won, **more}


def record(env, game, kind, choose, steps):
    state = env.reset()
    line = {"game": game, "kind": kind, "reset": shown(state, done=False), "steps": []}
    for i in range(steps):
        action = choose(i, state.admissible_commands)
        state, score, done = env.step(action)
        line["steps"].append({"action": action, **shown(state, done=done, score=score)})
    print(json.dumps(line))


for path in sorted(glob.glob(FOLDER + "/*/game.tw-pddl")):
    game = os.path.relpath(path, FOLDER)
    env = textworld.start(path, EnvInfos(won=True, admissible_commands=True, feedback=True, score=True),
                          wrappers=[Naming])
    walkthrough = json.load(open(path))["walkthrough"]
    record(env, game, "walkthrough", lambda i, commands: walkthrough[i], len(walkthrough))
    generator = random.Random(game)

    def choose(i, commands):
        acting = [c for c in commands if not c.startswith(("go to", "look", "help", "inventory"))]
        return generator.choice(acting if acting and generator.random() < 0.7 else commands + ["go nowhere"])

    record(env, game, "random", choose, RANDOM_STEPS)
    env.close()
