"""Files and options → validated, frozen values. The one place where a user's input is checked."""

from localtable.config.card import parse_card
from localtable.config.card_lookup import load_card, packaged_card_ids
from localtable.config.model_folder import card_from_hf_config
from localtable.config.panel import load_panel, parse_panel, refuse_mixed_cards, refuse_moderator
from localtable.config.question import load_question, load_suite, load_suites, parse_question
from localtable.config.reproduction import load_reproduction
from localtable.config.sweep import load_sweep

__all__ = [
    "card_from_hf_config",
    "load_card",
    "load_panel",
    "load_question",
    "load_reproduction",
    "load_suite",
    "load_suites",
    "load_sweep",
    "packaged_card_ids",
    "parse_card",
    "parse_panel",
    "parse_question",
    "refuse_mixed_cards",
    "refuse_moderator",
]
