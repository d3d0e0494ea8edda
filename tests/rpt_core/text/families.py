"""Small tokenizers with the layouts of released families: their special tokens, post-processors, configs and chats.

The vocabularies are made here; what stands at the ends of a text, and in a rendered chat, is as those families have it.
"""

import json

from tokenizers import AddedToken, processors

from tests.rpt_core.conftest import byte_level_tokenizer, metaspace_tokenizer

BOS_BEFORE = {"llama 2", "llama 3", "gemma", "mistral", "deepseek"}
"""Families that put a begin token before a text."""
DEEPSEEK_BEGIN, DEEPSEEK_USER = "<｜begin▁of▁sentence｜>", "<｜User｜>"
DEEPSEEK_ASSISTANT, DEEPSEEK_END = "<｜Assistant｜>", "<｜end▁of▁sentence｜>"
CHATS = {
    "llama 2": "{% for m in messages %}{{ bos_token + '[INST] ' + m['content'] + ' [/INST]' }}{% endfor %}",
    "llama 3": "{{ bos_token }}{% for m in messages %}<|start_header_id|>{{ m['role'] }}<|end_header_id|>\n\n"
    "{{ m['content'] | trim }}<|eot_id|>{% endfor %}<|start_header_id|>assistant<|end_header_id|>\n\n",
    "gemma": "{{ bos_token }}{% for m in messages %}<start_of_turn>{{ m['role'] }}\n{{ m['content'] }}"
    "<end_of_turn>\n{% endfor %}<start_of_turn>model\n",
    "mistral": "{{ bos_token }}{% for m in messages %}[INST]{{ m['content'] }}[/INST]{% endfor %}",
    "qwen": "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"
    "<|im_start|>assistant\n<think>\n",
    "deepseek": "{{ bos_token }}{% for m in messages %}<｜User｜>{{ m['content'] }}{% endfor %}"
    "<｜Assistant｜><think>\n",
}
FLAGGED = {
    "llama 2": [],
    "llama 3": ["<|begin_of_text|>", "<|end_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"],
    "gemma": ["<bos>", "<eos>", "<start_of_turn>", "<end_of_turn>"],
    "mistral": ["[INST]", "[/INST]"],
    "qwen": ["<|endoftext|>", "<|im_start|>", "<|im_end|>"],
    "deepseek": [DEEPSEEK_BEGIN, DEEPSEEK_END],
}
UNFLAGGED = {
    "gemma": ["<table>", "▁▁", "\n\n"],
    "qwen": ["<think>", "<tool_call>", "</tool_call>"],
    "deepseek": [DEEPSEEK_USER, DEEPSEEK_ASSISTANT, "<think>"],
}
ENDS = {
    "llama 2": ("<s>", "</s>"),
    "llama 3": ("<|begin_of_text|>", "<|end_of_text|>"),
    "gemma": ("<bos>", "<eos>"),
    "mistral": ("<s>", "</s>"),
    "qwen": (None, "<|im_end|>"),
    "deepseek": (DEEPSEEK_BEGIN, DEEPSEEK_END),
}
STYLES = {"llama 2": "legacy", "gemma": "none", "mistral": "first"}


def save_family(folder, family):
    """Write the tokenizer of a family into a folder; returns the folder."""
    tokenizer = metaspace_tokenizer(STYLES[family]) if family in STYLES else byte_level_tokenizer()
    tokenizer.add_special_tokens({"additional_special_tokens": FLAGGED[family]})
    tokenizer.add_tokens([AddedToken(content, normalized=False) for content in UNFLAGGED.get(family, ())])
    begin, end = ENDS[family]
    tokenizer.bos_token, tokenizer.eos_token, tokenizer.chat_template = begin, end, CHATS[family]
    backend = tokenizer.backend_tokenizer
    if family in BOS_BEFORE - {"deepseek"}:
        first = processors.TemplateProcessing(single=f"{begin} $A", special_tokens=[(begin, tokenizer.bos_token_id)])
        backend.post_processor = first
    else:
        backend.post_processor = processors.ByteLevel(trim_offsets=False)
    tokenizer.save_pretrained(folder)
    if family in ("deepseek", "qwen"):
        edit(folder / "tokenizer_config.json", add_bos_token=family == "deepseek")
    return folder


def edit(file, **values):
    """Change values of a JSON file."""
    file.write_text(json.dumps({**json.loads(file.read_text()), **values}))
