"""What a seat reads, as token ids of its own model; whatever anybody said stays inert."""

from localtable.prompts.checks import check_wording
from localtable.prompts.naming import longest_names, shown_names
from localtable.prompts.render import Renderer
from localtable.prompts.tokenizer import ByteTokenizer, HfTokenizer, PromptTokenizer
from localtable.prompts.wording import Wording, load_wording, preset_names

__all__ = [
    "ByteTokenizer",
    "HfTokenizer",
    "PromptTokenizer",
    "Renderer",
    "Wording",
    "check_wording",
    "load_wording",
    "longest_names",
    "preset_names",
    "shown_names",
]
