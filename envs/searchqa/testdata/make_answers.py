"""Writes answers.jsonl: what AgentGym's SearchQA makes of answers and responses.

    python3 make_answers.py AGENTGYM/agentenv-searchqa > answers.jsonl
"""

import importlib.util
import json
import random
import re
import sys

spec = importlib.util.spec_from_file_location("qa_em", sys.argv[1] + "/agentenv_searchqa/reward_score/qa_em.py")
qa_em = importlib.util.module_from_spec(spec)
spec.loader.exec_module(qa_em)

ANSWERS = [
    "", " ", "The Beatles", "a", "A an THE", "an apple a day", "Theatre", "the-atre", "U.S.A.", "14 December 1972 UTC",
    "R. H. Thomson", "it's a \"test\"!", "tab\tand\nnewline", "\u00c9cole Polytechnique", "\u0130stanbul", "Stra\u00dfe",
    "na\u00efve a", "a\u0301 b", "\u4e2d\u6587 a \u4e2d", "the\u00a0end", "\u2018quoted\u2019", "x_y", "a_b the_", "the.", ".the cat",
    "an\u2013other", "the\u2014a\u2014an", "$5,000", "3.14", "a\u00b2", "\u0645\u0631\u062d\u0628\u0627 the", "\u1e9e", "\u01c5", "a\u200bb a\u200b",
]
RESPONSES = [
    "", "nothing", "<search>q</search>", "<search> q w \n</search>", "<answer>x</answer>", "<answer> x </answer> y",
    "<think>t</think><search>s</search><answer>a</answer>", "<answer>a</answer><search>s</search>",
    "<search>open <answer>a</answer>", "<answer>open <search>s</search>", "<search>a<search>b</search>",
    "<answer>a<answer>b</answer>", "<answer>a</answer><answer>b</answer>", "<search>a</answer></search>",
    "<Search>q</Search>", "<search></search>", "<answer></answer>", "</search><search>x</search>",
    "<answer>1</answer><search>s</search><answer>2</answer>", "<answer>1</answer><answer>open", "<search>multi\nline</search>",
]


def move(response):
    match = re.search(r"<(search|answer)>(.*?)</\1>", response, re.DOTALL)
    if match is None:
        return None, ""
    if match.group(1) == "search":
        return "search", match.group(2).strip()
    return "answer", qa_em.extract_solution(response)


def main():
    rng = random.Random(1)
    words = ["the", "The", "a", "An", " ", "-", ".", "\u00e9", "x", "9", "_", "\u00a0", "\u0130", "'", "\n"]
    answers = ANSWERS + ["".join(rng.choice(words) for _ in range(rng.randint(1, 9))) for _ in range(150)]
    for answer in answers:
        print(json.dumps({"answer": answer, "normalized": qa_em.normalize_answer(answer)}))
    parts = ["<search>", "</search>", "<answer>", "</answer>", "x", " y ", "\n"]
    responses = RESPONSES + ["".join(rng.choice(parts) for _ in range(rng.randint(2, 12))) for _ in range(250)]
    for response in responses:
        kind, text = move(response)
        print(json.dumps({"response": response, "kind": kind, "text": text}))


main()
