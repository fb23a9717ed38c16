"""What a seat reads, as token ids of its own model; whatever anybody said stays inert."""

from localtable.prompts.render import Renderer
from localtable.prompts.tokenizer import ByteTokenizer, HfTokenizer, PromptTokenizer
from localtable.prompts.wording import Wording, load_wording, preset_names

__all__ = [
    "ByteTokenizer",
    "HfTokenizer",
    "PromptTokenizer",
    "Renderer",
    "Wording",
    "load_wording",
    "preset_names",
]
