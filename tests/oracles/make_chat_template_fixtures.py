"""Writes policy/testdata/chat_templates.json: templates, variables, and what jinja2 makes of them in the
environment that transformers' apply_chat_template sets up (utils/chat_template_utils.py).

    python tests/oracles/make_chat_template_fixtures.py     (needs: pip install jinja2==3.1.6)
"""

import datetime
import json
import pathlib

import jinja2.ext
import jinja2.sandbox

NOW = datetime.datetime(2024, 7, 26, 12, 0, 0)  # as in chat_template_test.cc

MESSAGES = [
    {"role": "system", "content": " Be brief.  "},
    {"role": "user", "content": "Hi\n  there "},
    {"role": "assistant", "content": "<think>\nhm\n</think>\n\nHello"},
    {"role": "user", "content": "ünï \" ' <b> \\ 1"},
]
TOOLS = [
    {
        "type": "function",
        "function": {
            "name": "look",
            "parameters": {"type": "object", "properties": {"at": {"type": "string", "n": 1.50}}},
        },
    }
]
VARIABLES = {
    "messages": MESSAGES,
    "tools": TOOLS,
    "add_generation_prompt": True,
    "bos_token": "<s>",
    "eos_token": "</s>",
    "n": 7,
    "x": 2.5,
    "none_given": None,
    "texts": ["b", "A", "c", "a"],
    "nested": {"b": {"c": [1, 2, {"d": "deep"}]}, "a": [], "items": 3},
}

# One expression each.
EXPRESSIONS = r"""
n + 1 * 2 - 3
-n // 2, -n % 3, n / 2, 2 ** 5, 2 ** -1, -2 ** 2
7 // -2, 7 % -2, -7.5 // 2, -7.5 % 2
1.0, 1e20, 1e-7, 123456789.25, 0.1 + 0.2, 1e16, 100000.0
'a' ~ 1 ~ none ~ true ~ [1, 'b'] ~ {'k': 'it\'s'}
'ab' * 3, [1] * 2, 'a' + "b" 'c'
1 < 2 < 3, 1 < 3 < 2, 'a' in 'abc', 'k' in {'k': 1}, 3 not in [1, 2], 1 == 1.0, true == 1
'a' if n > 5 else 'b'
'a' if n < 5
n is number and x is float and n is integer and not (x is integer)
n is odd, n is even, n is divisibleby 7, n is divisibleby(2)
'x' is string, {} is mapping, [] is sequence, [] is iterable, n is iterable, none is none
missing is defined, missing is not defined, missing is none
true is boolean, 1 is boolean, true is true, 1 is true, false is false
n is eq 7, n is gt 3, n is lt(3), 'a' is in ['a'], 'a' is equalto 'a', n is ne 7
not missing, missing or 'x', missing and 'x', none or 0, [] or {}
missing | default('d'), '' | default('d'), '' | default('d', true), '' | d('e', boolean=true)
'  a b '.strip() ~ '|', '  a'.lstrip(), 'xxaxx'.strip('x'), 'a  '.rstrip() ~ '|', 'abc'.rstrip('cb')
'a,b,,c'.split(','), ' a  b '.split(), 'a,b,c'.split(',', 1), 'a-b-c'.rsplit('-', 1)
'abc'.startswith('ab'), 'abc'.endswith(('x', 'c')), 'abcb'.replace('b', 'X'), 'abcb'.replace('b', '', 1)
'ab'.upper(), 'AB'.lower(), 'ab cd-ef'.title(), 'aB'.capitalize(), "it's".title(), 'straße'.upper()
'abc'.find('c'), 'abc'.find('z'), 'abab'.count('ab'), 'éa'.find('a'), 'a'.isdigit(), '12'.isdigit()
','.join(['a', 'b']), 'a\nb\r\nc'.splitlines(), 'prefix-x'.removeprefix('prefix-'), 'x.y'.removesuffix('.y')
'héllo'[1], 'héllo'[-1], 'héllo'[1:3], 'héllo'[::-1], 'héllo'[:-1], 'abc'[5:], 'abcdef'[1:5:2]
[1, 2, 3, 4][1:], [1, 2, 3, 4][::-1], [1, 2, 3, 4][-2:], [1, 2, 3][10:0:-1], (1, 2, 3)[:2]
nested.b.c[2].d, nested['b']['c'][-1]['d'], nested.get('z'), nested.get('z', 'y'), nested['items'], nested.items() | length
nested.keys() | list, nested.a, texts.0, texts[-1], messages[0].role, messages[1:][0]['content']
texts | sort, texts | sort(reverse=true), texts | sort(case_sensitive=true), texts | unique | list
texts | join(', '), texts | first, texts | last, texts | length, texts | reverse | list, texts | count
texts | map('upper') | list, messages | map(attribute='role') | join('/'), texts | select('eq', 'a') | list
messages | selectattr('role', 'equalto', 'user') | list | length, messages | rejectattr('role', 'in', ['user']) | map(attribute='role') | list
messages | selectattr('nothing') | list, messages | selectattr('content', 'string') | list | count
[3, 1, 2] | max, [3, 1, 2] | min, [1, 2.5] | sum, messages | map(attribute='content') | map('length') | sum
' a ' | trim ~ '|', 'xax' | trim('x'), 'AbC' | lower | upper, 'hello big-world' | title, 'hELLO' | capitalize
'a\nb\n\nc' | indent(2), 'a\nb' | indent(2, true), 'abc' | replace('b', 'X'), 5 | string ~ 1, '5' | int + 1
'x' | int, 'x' | int(3), '4.7' | int, 4.7 | int, '2.5' | float, -3 | abs, 2.567 | round(2), 2.5 | round, 2.1 | round(0, 'ceil')
'abc' | list, {'a': 1, 'b': 2} | list, {'b': 1, 'a': 2} | items | list, {'b': 1, 'a': 2} | dictsort
tools | tojson, nested | tojson(indent=2), 'é"\n\t<>&\\\u0001' | tojson, [1, 2.0, none, true] | tojson, nested | tojson(sort_keys=true)
[1, {'a': []}] | tojson(indent=4), {} | tojson(indent=2), [1, {'a': 2}] | tojson(separators=(',', ':'))
range(3) | list, range(1, 7, 2) | list, range(3, 0, -1) | list, dict(a=1, b='x'), namespace(a=1).a
[1, 'a', none, true, 2.5, "it's", 'q"', 'é\n'], (1,), {'a': [1]}, (), []
strftime_now('%d %b %Y'), strftime_now('%Y-%m-%d')
"\x41\u00e9\t\\n\q", 'a
b'
1 if true else 2 if false else 3, (1, 2), 1, 2
missing ~ 'x', [missing] | length, missing | length, missing | list, missing | join
{'a': 1}.a, {'a': {'b': 2}}.a.b, {'a': 1}['z'] is defined, 'abc'.nothing is defined, 'abc'.upper is defined
-n | abs, (-n) | abs, not n == 7, not (n == 7) or true, n == 7 and x == 2.5
'%' ~ '}' ~ "}}" ~ '{{' ~ {'a': {'b': 1}}
1_000, 0, 'a' < 'b', [1, 2] < [1, 3], [1] + [2], (1,) + (2,)
'a\r\nb\x0bc\x0cd\x1ee\x85f\u2028g\n'.splitlines(), 'a\r\nb\n' | indent, 'a\u2028b' | indent(1, true, true)
[missing, missing] | sort, texts | map(attribute='none') | sort | length, messages | sort(attribute='none') | length
2.0 is even, 3.0 is odd, 3.5 is odd, -3 is odd, 4.0 is divisibleby 2, -1.5 % 0.5, 0.0 % -2.0
0 ** -1
'a.b'.split('.')[-1], messages[-1].content.split('<b>')[0].strip(), '</think>' in messages[2].content
""".strip().replace("'a\nb'", "'a\\nb'").split("\n")

TEMPLATES = [
    # White space.
    "a\n  {% if true %}\n  b\n  {% endif %}\nc\n",
    "a\n  {%- if true -%}\n  b\n  {%- endif -%}\nc\n\n",
    "a\n  {%+ if true +%}\n  b\n  {% endif %}c",
    "  {{ 1 }}  \n  {{- 2 -}}  \n 3 {# x #}\n 4 {#- y -#} \n5",
    "{% raw %}{{ x }} {% if %}{% endraw %}!\n{%- raw -%}\n y \n{%- endraw %}",
    "x {% if true %} y\n {% endif %} z\r\nw\rv",
    "\n{% set a = 1 %}\n{{ a }}\n\n",
    # Loops.
    "{% for m in messages %}{{ loop.index }}/{{ loop.length }}{{ loop.first }}{{ loop.last }}{{ loop.index0 }}"
    "{{ loop.revindex }}{{ loop.revindex0 }};{% endfor %}",
    "{% for m in messages if m.role == 'user' %}{{ loop.index }}{{ m.content }}{% if not loop.last %},{% endif %}"
    "{% else %}none{% endfor %}",
    "{% for x in [] %}x{% else %}none{% endfor %}{% for x in missing %}x{% endfor %}",
    "{% for k, v in nested.items() %}{{ k }}={{ v }};{% endfor %}{% for k in nested %}{{ k }}{% endfor %}",
    "{% for i in range(6) %}{% if i == 1 %}{% continue %}{% endif %}{% if i == 4 %}{% break %}{% endif %}{{ i }}"
    "{% endfor %}",
    "{% for m in messages %}{% if loop.previtem is defined and loop.previtem.role != m.role %}<{% endif %}"
    "{% if loop.nextitem is defined %}{{ loop.nextitem.role }}{% endif %}{{ loop.cycle('a', 'b') }}{% endfor %}",
    "{% for a in [1, 2] %}{% for b in 'xy' %}{{ loop.index }}{{ a }}{{ b }}{{ loop.depth }} {% endfor %}"
    "{{ loop.index }}{% endfor %}",
    "{% set i = 1 %}{% for a in [1, 2] %}{% set i = i + a %}{{ i }}{% endfor %}{{ i }}",
    "{% set ns = namespace(i=1, s='') %}{% for a in [1, 2] %}{% set ns.i = ns.i + a %}{% set ns.s = ns.s ~ a %}"
    "{% endfor %}{{ ns.i }}{{ ns.s }}{{ ns.none is defined }}",
    "{% for m in messages[::-1] %}{% set index = (messages|length - 1) - loop.index0 %}{{ index }}{{ m.role }}"
    "{% endfor %}",
    "{% for a in [1, 2] %}{{ a }}{% break %}{% else %}broken{% endfor %}",
    "{% for a in [1, 2] %}{{ a }}{% continue %}{% else %}skipped{% endfor %}",
    "{% for a in [1, 2] %}{% if a == 1 %}{% continue %}{% endif %}{{ a }}{% else %}none{% endfor %}",
    # Setting.
    "{% set a, b = 1, 'x' %}{{ b }}{{ a }}{% set c %} {{ a }} {% endset %}[{{ c }}]{% set d | trim | upper %} q "
    "{% endset %}{{ d }}",
    "{% if a is not defined %}{% set a = 'set' %}{% endif %}{{ a }}",
    "{% if n > 9 %}1{% elif n > 8 %}2{% elif n > 5 %}3{% else %}4{% endif %}",
    # Macros.
    "{% macro f(a, b='d', c=a) %}{{ a }}-{{ b }}{% if c %}+{{ c }}{% endif %};{% endmacro %}{{ f(1) }}{{ f(1, c=2) }}"
    "{{ f('x', 'y')|upper }}",
    "{% macro f(n) %}{{ n }}{% if n > 0 %}{{ f(n - 1) }}{% endif %}{% endmacro %}{{ f(3) }}",
    "{% set g = 'outer' %}{% macro f() %}{{ g }}{% endmacro %}{% set g = 'later' %}{{ f() }}",
    "{% macro f() %}({{ caller('z') }}){% endmacro %}{% call(v) f() %}{{ v }}!{% endcall %}",
    "{% macro f(a, b) %}{{ a }}{{ b }}{% endmacro %}{{ f(*[1, 2]) }}{{ f(**{'a': 3, 'b': 4}) }}",
    "{% filter upper %}a{{ n }}b{% endfilter %}",
    "{% generation %}a{{ n }}{% endgeneration %}b",
    # Errors.
    "{{ raise_exception('no ' ~ n) }}",
    "{{ missing.x }}",
    "{{ missing() }}",
    "{{ 1 + 'a' }}",
    "{{ 1 // 0 }}",
    "{{ 'a' < 1 }}",
    "{{ n() }}",
    "{{ [1].append(2) }}",
    "{{ messages | nothing }}",
    "{% if %}x{% endif %}",
    "{% for x in [1] %}",
    "{{ 'a }}",
    "{{ n | length }}",
    "{{ missing + 1 }}",
    "{% nothing %}",
    "{{ (1, 2 }}",
    "{% set ns = 1 %}{% set ns.x = 2 %}",
    "{{ missing | tojson }}",
    "a {# b",
    "{% for a, b in [[1, 2, 3]] %}{% endfor %}",
    # Conversations, in the families' manners.
    "{% for message in messages %}{% if loop.first and messages[0]['role'] != 'system' %}"
    "{{ '<|im_start|>system\nDefault<|im_end|>\n' }}{% endif %}"
    "{{'<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n'}}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}",
    "{{- bos_token }}\n{%- if messages[0].role == 'system' %}\n    {%- set sys = messages[0].content | trim %}\n"
    "    {%- set messages = messages[1:] %}\n{%- else %}\n    {%- set sys = '' %}\n{%- endif %}\n"
    "{{- '<|start_header_id|>system<|end_header_id|>\\n\\n' }}\n{{- 'Today: ' + strftime_now('%d %b %Y') + '\\n' }}\n"
    "{{- sys }}\n{{- '<|eot_id|>' }}\n{%- for message in messages %}\n"
    "    {{- '<|start_header_id|>' + message.role + '<|end_header_id|>\\n\\n' + message.content | trim + '<|eot_id|>' }}\n"
    "{%- endfor %}\n{%- if add_generation_prompt %}\n"
    "    {{- '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}\n{%- endif %}\n",
    "{{ bos_token }}{% for m in messages[1:] %}{% if (m['role'] == 'user') != (loop.index0 % 2 == 0) %}"
    "{{ raise_exception('roles must alternate') }}{% endif %}{% if m['role'] == 'user' %}"
    "{{ '[INST] ' + m['content'].strip() + ' [/INST]' }}{% else %}{{ ' ' + m['content'].strip() + eos_token }}"
    "{% endif %}{% endfor %}",
    "{%- set ns = namespace(last=messages | length - 1, open=true) %}\n{%- for m in messages[::-1] %}\n"
    "    {%- set at = (messages | length - 1) - loop.index0 %}\n    {%- if ns.open and m.role == 'user' %}\n"
    "        {%- set ns.open = false %}\n        {%- set ns.last = at %}\n    {%- endif %}\n{%- endfor %}\n"
    "{%- for m in messages %}\n    {%- set content = m.content %}\n"
    "    {%- if m.role == 'assistant' and '</think>' in content %}\n"
    "        {%- set thought = content.split('</think>')[0].rstrip('\\n').split('<think>')[-1].lstrip('\\n') %}\n"
    "        {%- set content = content.split('</think>')[-1].lstrip('\\n') %}\n"
    "        {%- if loop.index0 > ns.last %}\n"
    "            {%- set content = '<think>\\n' + thought + '\\n</think>\\n\\n' + content %}\n        {%- endif %}\n"
    "    {%- endif %}\n    {{- '<|im_start|>' + m.role + '\\n' + content + '<|im_end|>\\n' }}\n{%- endfor %}\n"
    "{%- if tools %}\n    {%- for tool in tools %}\n        {{- '\\n' + (tool | tojson) }}\n    {%- endfor %}\n"
    "{%- endif %}\n{%- if add_generation_prompt %}\n    {{- '<|im_start|>assistant\\n' }}\n"
    "    {%- if enable_thinking is defined and enable_thinking is false %}\n"
    "        {{- '<think>\\n\\n</think>\\n\\n' }}\n    {%- endif %}\n{%- endif %}",
]


def environment():
    class Generation(jinja2.ext.Extension):
        tags = {"generation"}

        def parse(self, parser):
            line = next(parser.stream).lineno
            body = parser.parse_statements(["name:endgeneration"], drop_needle=True)
            return jinja2.nodes.CallBlock(self.call_method("_body"), [], [], body).set_lineno(line)

        def _body(self, caller):
            return caller()

    result = jinja2.sandbox.ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[Generation, jinja2.ext.loopcontrols]
    )

    def raise_exception(message):
        raise jinja2.exceptions.TemplateError(message)

    def tojson(value, ensure_ascii=False, indent=None, separators=None, sort_keys=False):
        return json.dumps(
            value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys
        )

    result.filters["tojson"] = tojson
    result.globals["raise_exception"] = raise_exception
    result.globals["strftime_now"] = lambda form: NOW.strftime(form)
    return result


def main():
    env = environment()
    cases = []
    for template in ["{{ %s }}" % expression for expression in EXPRESSIONS] + TEMPLATES:
        try:
            cases.append([template, env.from_string(template).render(**VARIABLES)])
        except Exception as error:  # a case of an error: what it says is not compared
            print(f"error: {template[:70]!r}: {type(error).__name__}: {error}")
            cases.append([template, None])
    path = pathlib.Path(__file__).resolve().parent.parent.parent / "policy/testdata/chat_templates.json"
    lines = ",\n".join(json.dumps(case, ensure_ascii=False) for case in cases)
    variables = json.dumps(VARIABLES, ensure_ascii=False)
    path.write_text(f'{{"variables": {variables},\n"cases": [\n{lines}]}}\n')


if __name__ == "__main__":
    main()
