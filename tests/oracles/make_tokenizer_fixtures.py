"""Writes policy/testdata/families: tokenizers of each family's kind, and what PyPI's tokenizers 0.23.3
answers with them.

    python tests/oracles/make_tokenizer_fixtures.py        (needs: pip install tokenizers==0.23.3)
"""

import json
import pathlib
import random

import families

TEXTS = [
    "You see a red door 3 steps ahead; it's locked, and you don't have the key.",
    "def find(self, word):\n    return [w for w in self.words if w.startswith(word)]\n",
    "Thought:\nI need 12 oak planks.\n\nAction:\nget 12 oak planks",
    "Größere Äpfel fallen später. Où est la clé ? El niño comió piñas.",
] * 3
FRAGMENTS = [
    "'s 'S 'll 'LL 're 'Ve 'x don't IT'S '\u017f",
    "1 12 123 1234 12345 \u0663\u0664 \u00bd \u2167 \u00b2",
    "a  b   c\td\n\n e \r\n  \n f  ",
    "\u0085\u00a0\u1680\u2003\u2028\u202f\u3000x\u200b\u180e\ufeffy",
    "e\u0301 \u00e9 \u1100\u1161\u11a8 \uac01 \ufb01 \u212b a\u0323\u0307 a\u0307\u0323",
    "\u4e2d\u6587 \u65e5\u672c\u8a9e \u0939\u093f\u0928\u094d\u0926\u0940 \u0e44\u0e17\u0e22",
    "\U0001f469\u200d\U0001f469\u200d\U0001f467 \U0001f1e9\U0001f1ea \U0001f44d\U0001f3fd",
    "\U00010d4a\U00010d50 \U0001e5d0\U0001e5f1 \U00011de0 \U00016ff4 \U0002ebf0 \ua7cb\u1c89",
    "\u0000\u0001\u007f\u00ad\ue000\ufffd\uffff\U000e0001\U0010ffff",
    "<s> </s> <unk> <0x0A> \u2581\u2581 \u2581x [INST] hi [/INST]",
    "<|im_start|>user\nhi<|im_end|>\n<|eot_id|><|begin_of_text|><think>\n</think><|im_",
    "  <mask>  Word Words word <|a|> <|A|>  ",
    "HeLLo \u0130I\u0131 \u01c5 \u1e9e \u03a3\u03c3\u03c2",
]


def texts():
    rng = random.Random(20)
    pieces = [piece for fragment in FRAGMENTS for piece in fragment] + "the door is red ahead".split()
    result = ["", " ", "  ", "a", " a", *FRAGMENTS, TEXTS[0], TEXTS[1], TEXTS[2], TEXTS[3]]
    for _ in range(12):
        result.append("".join(rng.choice(pieces) for _ in range(rng.randrange(2, 30))))
    return result


def main():
    folder = pathlib.Path(__file__).resolve().parent.parent.parent / "policy/testdata/families"
    folder.mkdir(parents=True, exist_ok=True)
    rng = random.Random(21)
    for name, tokenizer in {**families.train(TEXTS, 330), **families.odd(TEXTS, 330)}.items():
        answers = []
        for text in texts():
            tokenizer.encode_special_tokens = True
            ids = tokenizer.encode(text, add_special_tokens=False).ids
            tokenizer.encode_special_tokens = False
            # With special tokens; null: the same.
            marked = tokenizer.encode(text, add_special_tokens=True).ids
            answers.append([text, ids, None if marked == ids else marked])
        decoded = []
        for _ in range(10):
            ids = [rng.randrange(tokenizer.get_vocab_size()) for _ in range(rng.randrange(1, 12))]
            decoded.append([ids, tokenizer.decode(ids), tokenizer.decode(ids, skip_special_tokens=False)])
        fixture = {
            "tokenizer": json.loads(tokenizer.to_str()),
            "encoded": answers,
            "decoded": decoded,
        }
        text = json.dumps(fixture, ensure_ascii=False, separators=(",", ":"))
        (folder / f"{name}.json").write_text(text.replace('],["', '],\n["') + "\n")


if __name__ == "__main__":
    main()
