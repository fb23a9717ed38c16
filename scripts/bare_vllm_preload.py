"""Imported by the fork server of bare_vllm.py, so that its children have vLLM already."""

import bare_vllm

bare_vllm.import_all()
