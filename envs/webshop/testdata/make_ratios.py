#!/usr/bin/env python3
"""Writes ratios.jsonl: what thefuzz 0.19.0 with python-Levenshtein 0.27.5 (both of PyPI) says of pairs of texts.

    python3 -m venv V && V/bin/pip install thefuzz==0.19.0 python-Levenshtein==0.27.5
    V/bin/python envs/webshop/testdata/make_ratios.py
"""
import json
import pathlib
import random

from thefuzz import fuzz

WORDS = ('machine wash|hand wash|dry clean|long sleeve|short sleeves|polyester spandex|cotton|100% cotton|x-large|'
         'xx-large|2x|navy blue|blue|light grey|gray|grey heather|8 ounce (pack of 2)|8 oz|pack of 2|size 9.5|9|9 wide|'
         'non-slip|non slip|anti slip|caf\u00e9|cafe|na\u00efve r\u00e9sum\u00e9|\u6c34|stainless-steel|steel|usb_port|usb port||!!!|a|A a A|'
         "women's dress|womens dresses|4 - 5 years|4-5 years").split('|')
draw = random.Random(7)


def text():
    words = [draw.choice(WORDS) for _ in range(draw.randint(1, 3))]
    draw.shuffle(words)
    joined = draw.choice([' ', ', ', '  ', '-']).join(words)
    return joined.upper() if draw.random() < 0.1 else joined


pairs = [(a, b) for a in WORDS for b in draw.sample(WORDS, 4)] + [(text(), text()) for _ in range(250)]
lines = [json.dumps([a, b, fuzz.ratio(a, b), fuzz.token_set_ratio(a, b)], ensure_ascii=False) for a, b in pairs]
path = pathlib.Path(__file__).parent / 'ratios.jsonl'
path.write_text('\n'.join(lines) + '\n')
print(len(lines), 'pairs')
