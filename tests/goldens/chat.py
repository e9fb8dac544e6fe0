"""Goldens for chat-template: conversations as transformers renders them.

Peer: transformers 5.24.0 (jinja2 3.1.6). Nothing is random.

The templates below were written for this test, after the formats that the models' makers describe: they make the texts of Llama 3, 3.1, 3.2,
SmolLM2 and Mistral with the constructs of Jinja that the makers' own templates use (whitespace control, slices, namespaces, filters, macros,
Python's methods). They are not those templates. `constructs` asks for what else templates use.

Writes data/chat/:
  cases.json   for each template its text and special tokens, and for each conversation what goes in and the text, or the error, that comes out
"""

import json
from datetime import datetime
from pathlib import Path

import transformers.utils.chat_template_utils as utils
from tokenizers import Tokenizer, models
from transformers import PreTrainedTokenizerFast

OUT = Path(__file__).parent / "data" / "chat"


class Frozen(datetime):
    """A clock that stands still."""

    @classmethod
    def now(cls, tz=None):
        return cls(2025, 3, 9, 14, 5, 7)


LLAMA_3 = """{%- for message in messages -%}
    {%- set text = '<|start_header_id|>' + message['role'] + '<|end_header_id|>\n\n' + message['content'] | trim + '<|eot_id|>' -%}
    {%- if loop.first -%}
        {%- set text = bos_token + text -%}
    {%- endif -%}
    {{- text -}}
{%- endfor -%}
{%- if add_generation_prompt -%}
    {{- '<|start_header_id|>assistant<|end_header_id|>\n\n' -}}
{%- endif -%}
"""


def llama_3_1(date: str, always: bool) -> str:
    """Llama 3.1 and 3.2 differ in the date, and in whether content is trimmed in the first user message only."""
    return (
        """{{- bos_token }}
{%- macro head(role) -%}
    {{- '<|start_header_id|>' ~ role ~ '<|end_header_id|>\\n\\n' -}}
{%- endmacro %}
{%- if date_string is not defined %}
    {%- set date_string = """
        + date
        + """ %}
{%- endif %}
{%- set in_user = tools_in_user_message if tools_in_user_message is defined else true %}
{#- What the system says comes first, whether or not there is such a message. #}
{%- if messages[0].role == 'system' %}
    {%- set system, rest = messages[0].content | trim, messages[1:] %}
{%- else %}
    {%- set system, rest = '', messages %}
{%- endif %}
{{- head('system') }}
{%- if builtin_tools is defined or tools is not none %}
    {{- 'Environment: ipython\\n' }}
{%- endif %}
{%- if builtin_tools is defined %}
    {{- 'Tools: ' ~ builtin_tools | reject('equalto', 'code_interpreter') | join(', ') ~ '\\n\\n' }}
{%- endif %}
{{- 'Cutting Knowledge Date: December 2023\\nToday Date: ' + date_string + '\\n\\n' }}
{%- if tools is not none and not in_user %}
    {{- 'These functions can be called:\\n\\n' }}
    {%- for tool in tools %}
        {{- tool | tojson(indent=4) ~ '\\n\\n' }}
    {%- endfor %}
{%- endif %}
{{- system + '<|eot_id|>' }}
{%- if in_user and tools is not none %}
    {%- if not rest %}
        {{- raise_exception("There's no user message to put the tools in!") }}
    {%- endif %}
    {{- head('user') }}
    {{- 'Answer with a call of one of these functions, as {"name": ..., "parameters": ...}.\\n\\n' }}
    {%- for tool in tools %}
        {{- tool | tojson(indent=4) }}
        {{- '\\n\\n' }}
    {%- endfor %}
    {{- rest[0].content | trim + '<|eot_id|>' }}
    {%- set rest = rest[1:] %}
{%- endif %}
{%- for message in rest %}
    {%- if message.role in ['tool', 'ipython'] %}
        {{- head('ipython') }}
        {%- if message.content is mapping or message.content is iterable %}
            {{- message.content | tojson }}
        {%- else %}
            {{- message.content }}
        {%- endif %}
        {{- '<|eot_id|>' }}
    {%- elif 'tool_calls' in message %}
        {%- if message.tool_calls | length != 1 %}
            {{- raise_exception('This model calls one tool at a time!') }}
        {%- endif %}
        {%- set call = message.tool_calls[0].function %}
        {{- head('assistant') }}
        {%- if builtin_tools is defined and call.name in builtin_tools %}
            {{- '<|python_tag|>' + call.name + '.call(' }}
            {%- for name, value in call.arguments | items %}
                {{- name + '="' + value + '"' }}{% if not loop.last %}{{ ', ' }}{% endif %}
            {%- endfor %}
            {{- ')<|eom_id|>' }}
        {%- else %}
            {{- '{"name": "' + call.name + '", "parameters": ' }}
            {{- call.arguments | tojson }}
            {{- '}<|eot_id|>' }}
        {%- endif %}
    {%- else %}
        {{- head(message['role']) + message['content']"""
        + (" | trim" if always else "")
        + """ + '<|eot_id|>' }}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- head('assistant') }}
{%- endif %}
"""
    )


SMOLLM2 = (
    "{% for message in messages %}{% if loop.first and message.role != 'system' %}"
    "{{ '<|im_start|>system\nYou are a helpful AI assistant named SmolLM, trained by Hugging Face<|im_end|>\n' }}{% endif %}"
    "{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)

MISTRAL = """{%- if messages[0]["role"] == "system" %}
    {%- set system = messages[0]["content"] %}
    {%- set turns = messages[1:] %}
{%- else %}
    {%- set turns = messages %}
{%- endif %}
{%- set users = turns | selectattr("role", "equalto", "user") | list %}
{%- set ns = namespace(n=0) %}
{%- for message in turns %}
    {%- if message.role in ("user", "assistant") and (message.tool_calls is undefined or message.tool_calls is none) %}
        {%- if (message.role == "user") != (ns.n % 2 == 0) %}
            {{- raise_exception("User and assistant must take turns, after what the system says: user/assistant/user/...") }}
        {%- endif %}
        {%- set ns.n = ns.n + 1 %}
    {%- endif %}
{%- endfor %}

{{- bos_token }}
{%- for message in turns %}
    {%- if message.role == "user" %}
        {%- if tools is not none and message == users[-1] %}
            {{- "[AVAILABLE_TOOLS] [" }}
            {%- for tool in tools %}
                {{- '{"type": "function", "function": {' }}
                {%- for key, value in tool.function.items() if key != "return" %}
                    {{- '"' + key + '": ' }}
                    {%- if value is string %}{{- '"' + value + '"' }}{%- else %}{{- value | tojson }}{%- endif %}
                    {{- ", " if not loop.last else "" }}
                {%- endfor %}
                {{- "}}" }}
                {{- "," + " " if not loop.last else "]" }}
            {%- endfor %}
            {{- "[/AVAILABLE_TOOLS]" }}
        {%- endif %}
        {%- if loop.last and system is defined %}
            {{- "[INST] " + system + "\n\n" + message.content + "[/INST]" }}
        {%- else %}
            {{- "[INST] " + message.content + "[/INST]" }}
        {%- endif %}
    {%- elif message.tool_calls is defined and message.tool_calls is not none %}
        {{- "[TOOL_CALLS] [" }}
        {%- for call in message.tool_calls %}
            {%- set text = call.function | tojson %}
            {%- if call.id is not defined or call.id | length != 9 %}
                {{- raise_exception("A tool call has an id of 9 characters!") }}
            {%- endif %}
            {{- text[:-1] }}{{- ', "id": "' + call.id + '"}' }}
            {%- if not loop.last %}{{- ", " }}{%- else %}{{- "]" + eos_token }}{%- endif %}
        {%- endfor %}
    {%- elif message.role == "assistant" %}
        {{- " " + message.content | trim + eos_token }}
    {%- elif message.role == "tool" or message.role == "tool_results" %}
        {%- set content = message.content if message.content is not mapping else message.content.content %}
        {{- '[TOOL_RESULTS] {"content": ' + content | string + ', "call_id": "' + message.tool_call_id + '"}[/TOOL_RESULTS]' }}
    {%- else %}
        {{- raise_exception("Only user, assistant, system and tool may speak, not " + message.role + "!") }}
    {%- endif %}
{%- endfor %}
"""

CONSTRUCTS = """{# A comment
   of two lines. #}
{% for message in messages %}
  {% if message.content is string %}
text {{ message.content.strip() }}|{{ message.content.split(' ')[-1] }}|{{ message.content.upper() }}|{{ message.content | length }}
    {% generation %}
said {{ message.content | replace('a', 'b') | capitalize }}
    {%- set inside = 1 %}
    {% endgeneration %}
{{ inside is defined }}
  {% elif message.content is sequence %}
    {% for part in message.content if part.type == 'text' %}
part {{ loop.index }}/{{ loop.length }} {{ part.text | e if false else part.text }} {{ part.get('x', 'none') }}
    {% endfor %}
  {% else %}
nothing {{ message.content is defined }} {{ message.absent }}|{{ none }}|{{ true }}|{{ 1.0 }}|{{ 7 // 2 }}|{{ 7 / 2 }}|{{ -7 % 3 }}
    {% continue %}
  {% endif %}
{{ {'role': message.role, 'b': [1, 2.5, none, true, 'é<&>"\\'', {}, []], 'a': {'z': 1, 'y': 1e-7}} | tojson }}
{{ message | tojson(indent=2) }}
{{ {'b': 1, 'a': [1e16, 123456789012345678]} | tojson(sort_keys=true, separators=(',', ':')) }} {{ 'é\\n\\t\\u2028' | tojson(ensure_ascii=true) }}
{{ [1, 'two', none, true, 0.1] }} {{ {'k': 'v'} }} {{ ('a', 1) }} {{ 'a' ~ 1 ~ none ~ true }}
  {% if loop.index > 3 %}{% break %}{% endif %}
{% endfor %}
{{ range(3) | list }} {{ dict(a=1, b='x') }} {{ messages | map(attribute='role') | join('/') }} {{ messages[-1].role }} {{ messages[::-1][0].role }}
{{ 'abc'[1:] }} {{ 'abc' in 'xabcx' }} {{ 'a,b'.split(',') }} {{ 'x'.startswith('x') }} {{ '%s and %d' % ('one', 2) if false else 'one' }}
{{ strftime_now('%Y-%m-%d %H:%M %d %b %B %A') }} {{ documents[0].title if documents else 'no documents' }} {{ custom | default('unset') }}
{% set joined %}
captured {{ messages | length }}
{% endset %}
{{ joined | trim }}{{ '  x  '.rstrip() }}|{{ '--x--'.strip('-') }}|{{ 'a-b'.replace('-', '+') }}|{{ 'Title case'.title() }}
{{- '\n' }}end
"""

TEMPLATES = {
    "llama-3": (LLAMA_3, "<|begin_of_text|>", "<|eot_id|>"),
    "llama-3.1": (llama_3_1("'26 Jul 2024'", True), "<|begin_of_text|>", "<|eot_id|>"),
    "llama-3.2": (llama_3_1('strftime_now("%d %b %Y")', False), "<|begin_of_text|>", "<|eot_id|>"),
    "smollm2": (SMOLLM2, "<|im_start|>", "<|im_end|>"),
    "mistral": (MISTRAL, "<s>", "</s>"),
    "constructs": (CONSTRUCTS, "<s>", "</s>"),
}

WEATHER = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "The weather, now & <later>: 'Größe' \"quoted\"",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string", "description": "猫"}, "days": {"type": "integer", "default": 1, "minimum": 0.5}},
            "required": ["city"],
        },
    },
}
CLOCK = {"type": "function", "function": {"name": "clock", "description": "", "parameters": {"type": "object", "properties": {}}}}


def call(name: str, arguments: dict, **more) -> dict:
    return {"role": "assistant", "content": None, "tool_calls": [{"type": "function", "function": {"name": name, "arguments": arguments}, **more}]}


U, A, S, T = [(lambda role: lambda content, **more: {"role": role, "content": content, **more})(role) for role in ("user", "assistant", "system", "tool")]

CONVERSATIONS = {
    "one": [U("Hello!")],
    "system": [S("Be brief."), U("Hello!")],
    "turns": [U("Hello!"), A("Hi."), U("How are you?"), A("Fine."), U("And then?")],
    "system-turns": [S("  Speak\nlike a pirate.  "), U(" Who are you? "), A("  Arr!  "), U("Again\n")],
    "answered": [U("2 + 2?"), A("4")],
    "unicode": [S("Größe 猫 🙂 e\u0301"), U("\u00a0nbsp\u2003em\u200bzero\u2028line\u0085next\x1csep ")],
    "whitespace": [U("\n\n  \t"), A(""), U("a\r\nb")],
    "html": [U("<b>&amp;'\"</b> {{ x }} {% if %} {# #}")],
    "two-users": [U("a"), U("b")],
    "assistant-first": [A("a"), U("b")],
    "system-late": [U("a"), S("b"), U("c")],
    "system-alone": [S("b")],
    "unknown-role": [U("a"), {"role": "narrator", "content": "Night fell."}],
    "call": [U("Rain?"), call("weather", {"city": "Zürich <&>", "days": 2}, id="abcdefghi"), T("[1, 2]", tool_call_id="abcdefghi", name="weather"), A("No."), U("Sure?")],
    "call-mapping": [U("Rain?"), call("weather", {"city": "X"}, id="abcdefghi"), T({"content": "wet", "mm": 1.0}, tool_call_id="abcdefghi")],
    "call-list": [U("Rain?"), call("weather", {}, id="abcdefghi"), T([1, None, True, 2.5e-7], tool_call_id="abcdefghi")],
    "two-calls": [U("Rain?"), {"role": "assistant", "tool_calls": [{"id": "abcdefghi", "function": {"name": "a", "arguments": {}}}, {"id": "123456789", "function": {"name": "b", "arguments": {"x": "y"}}}]}],
    "call-bad-id": [U("Rain?"), call("weather", {"city": "X"}, id="1")],
    "builtin": [U("Search"), call("brave_search", {"query": "cats", "lang": "de"})],
    "parts": [U([{"type": "text", "text": "one <b>"}, {"type": "image"}, {"type": "text", "text": "two", "x": 3}])],
    "nothing": [{"role": "user", "content": None}, U("a b a"), A("word")],
    "many": [U("a"), A("b"), U("c"), A("d"), U("e")],
    "reasoning": [U("a"), A("b", thinking="hmm")],
    "extra": [{"content": "key order", "role": "user", "name": "x", "weight": 1.0, "n": 3, "none": None}],
}

OPTIONS = {
    "plain": {},
    "prompt": {"add_generation_prompt": True},
    "tools": {"add_generation_prompt": True, "tools": [WEATHER, CLOCK]},
    "tools-in-system": {"tools": [WEATHER], "variables": {"tools_in_user_message": False, "date_string": "01 Jan 2000"}},
    "builtin": {"variables": {"builtin_tools": ["brave_search", "code_interpreter", "wolfram"]}},
    "documents": {"documents": [{"title": "T<1>", "text": "x"}], "variables": {"custom": "set"}},
}


def main():
    utils.datetime = Frozen
    result = []
    for name, (template, bos, eos) in TEMPLATES.items():
        tokenizer = PreTrainedTokenizerFast(tokenizer_object=Tokenizer(models.BPE()), bos_token=bos, eos_token=eos)
        tokenizer.chat_template = template
        cases = []
        for conversation, messages in CONVERSATIONS.items():
            for option, given in OPTIONS.items():
                case = {"conversation": conversation, "options": option}
                kwargs = dict(given)
                kwargs.update(kwargs.pop("variables", {}))
                try:
                    case["text"] = tokenizer.apply_chat_template(messages, tokenize=False, **kwargs)
                except Exception as error:  # noqa: BLE001: what the template raises, and what Python does
                    raised = type(error).__name__ == "TemplateError"
                    case["raised" if raised else "failed"] = str(error)
                cases.append(case)
        result.append({"name": name, "template": template, "bos_token": bos, "eos_token": eos, "cases": cases})
    OUT.mkdir(parents=True, exist_ok=True)
    data = {"conversations": CONVERSATIONS, "options": OPTIONS, "templates": result}
    (OUT / "cases.json").write_text(json.dumps(data, ensure_ascii=False, indent=1) + "\n")


if __name__ == "__main__":
    main()
