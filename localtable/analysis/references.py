"""What a paper cites: the entries that an analysis may need, by what its methods and metrics say of their sources."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Reference:
    """A BibTeX entry."""

    key: str
    kind: str
    fields: Mapping[str, str]
    cited_as: tuple[str, ...] = ()
    """As methods name it: `Efron 1987`."""

    @property
    def bibtex(self) -> str:
        """The entry as BibTeX has it."""
        lines = ",\n".join(f"  {name} = {{{value}}}" for name, value in self.fields.items())
        return f"@{self.kind}{{{self.key},\n{lines}\n}}"


def _article(key: str, author: str, title: str, where: str, year: int, *cited_as: str, **more: str) -> Reference:
    fields = {"author": author, "title": title, "journal": where, "year": str(year), **more}
    return Reference(key, "article", fields, cited_as)


def _book(key: str, author: str, title: str, publisher: str, year: int, *cited_as: str) -> Reference:
    return Reference(
        key, "book", {"author": author, "title": title, "publisher": publisher, "year": str(year)}, cited_as
    )


def _paper(
    key: str, author: str, title: str, where: str, year: int, number: str, *cited_as: str, **more: str
) -> Reference:
    """Of a conference, with its number at arXiv."""
    fields = {"author": author, "title": title, "booktitle": where, "year": str(year), **more}
    return Reference(key, "inproceedings", {**fields, "eprint": number, "archiveprefix": "arXiv"}, cited_as)


def _preprint(key: str, author: str, title: str, number: str, year: int, *cited_as: str) -> Reference:
    fields = {"author": author, "title": title, "year": str(year), "eprint": number, "archiveprefix": "arXiv"}
    return Reference(key, "misc", fields, cited_as)


_ALL = (
    # ── how text is generated and constrained ──
    _paper(
        "kwon2023vllm",
        "Kwon, Woosuk and Li, Zhuohan and Zhuang, Siyuan and Sheng, Ying and Zheng, Lianmin and Yu, Cody Hao and"
        " Gonzalez, Joseph E. and Zhang, Hao and Stoica, Ion",
        "Efficient Memory Management for Large Language Model Serving with PagedAttention",
        "Proceedings of the 29th Symposium on Operating Systems Principles",
        2023,
        "2309.06180",
        "vllm",
    ),
    _paper(
        "wolf2020transformers",
        "Wolf, Thomas and Debut, Lysandre and Sanh, Victor and Chaumond, Julien and Delangue, Clement and Moi, Anthony"
        " and Cistac, Pierric and Rault, Tim and Louf, R{\\'e}mi and Funtowicz, Morgan and Davison, Joe and Shleifer,"
        " Sam and von Platen, Patrick and Ma, Clara and Jernite, Yacine and Plu, Julien and Xu, Canwen and Le Scao,"
        " Teven and Gugger, Sylvain and Drame, Mariama and Lhoest, Quentin and Rush, Alexander M.",
        "Transformers: State-of-the-Art Natural Language Processing",
        "Proceedings of the 2020 Conference on Empirical Methods in Natural Language Processing: System Demonstrations",
        2020,
        "1910.03771",
        "transformers",
        pages="38--45",
    ),
    _preprint(
        "willard2023outlines",
        "Willard, Brandon T. and Louf, R{\\'e}mi",
        "Efficient Guided Generation for Large Language Models",
        "2307.09702",
        2023,
        "outlines",
    ),
    # ── protocols ──
    _paper(
        "du2024debate",
        "Du, Yilun and Li, Shuang and Torralba, Antonio and Tenenbaum, Joshua B. and Mordatch, Igor",
        "Improving Factuality and Reasoning in Language Models through Multiagent Debate",
        "International Conference on Machine Learning",
        2024,
        "2305.14325",
        "debate",
    ),
    _paper(
        "wang2023selfconsistency",
        "Wang, Xuezhi and Wei, Jason and Schuurmans, Dale and Le, Quoc and Chi, Ed and Narang, Sharan and"
        " Chowdhery, Aakanksha and Zhou, Denny",
        "Self-Consistency Improves Chain of Thought Reasoning in Language Models",
        "International Conference on Learning Representations",
        2023,
        "2203.11171",
        "self-consistency",
    ),
    _paper(
        "choi2025debate",
        "Choi, Hyeong Kyu and Zhu, Xiaojin and Li, Sharon",
        "Debate or Vote: Which Yields Better Decisions in Multi-Agent Large Language Models?",
        "Advances in Neural Information Processing Systems",
        2025,
        "2508.17536",
        "martingale",
    ),
    # ── statistics ──
    _preprint(
        "miller2024error",
        "Miller, Evan",
        "Adding Error Bars to Evals: A Statistical Approach to Language Model Evaluations",
        "2411.00640",
        2024,
        "Miller 2024",
    ),
    _article(
        "efron1987bca",
        "Efron, Bradley",
        "Better Bootstrap Confidence Intervals",
        "Journal of the American Statistical Association",
        1987,
        "Efron 1987",
        volume="82",
        number="397",
        pages="171--185",
    ),
    _article(
        "hesterberg2015bootstrap",
        "Hesterberg, Tim C.",
        "What Teachers Should Know About the Bootstrap: Resampling in the Undergraduate Statistics Curriculum",
        "The American Statistician",
        2015,
        "Hesterberg 2015",
        volume="69",
        number="4",
        pages="371--386",
    ),
    _book(
        "efron1993bootstrap",
        "Efron, Bradley and Tibshirani, Robert J.",
        "An Introduction to the Bootstrap",
        "Chapman and Hall",
        1993,
        "Efron & Tibshirani 1993",
    ),
    _book(
        "efron1982jackknife",
        "Efron, Bradley",
        "The Jackknife, the Bootstrap and Other Resampling Plans",
        "SIAM",
        1982,
        "Efron 1982",
    ),
    _article(
        "leone1961folded",
        "Leone, F. C. and Nelson, L. S. and Nottingham, R. B.",
        "The Folded Normal Distribution",
        "Technometrics",
        1961,
        "Leone et al. 1961",
        volume="3",
        number="4",
        pages="543--550",
    ),
    _article(
        "wilson1927",
        "Wilson, Edwin B.",
        "Probable Inference, the Law of Succession, and Statistical Inference",
        "Journal of the American Statistical Association",
        1927,
        "Wilson 1927",
        volume="22",
        number="158",
        pages="209--212",
    ),
    _article(
        "dean2015clustered",
        "Dean, Natalie and Pagano, Marcello",
        "Evaluating Confidence Interval Methods for Binomial Proportions in Clustered Surveys",
        "Journal of Survey Statistics and Methodology",
        2015,
        "Dean & Pagano 2015",
        volume="3",
        number="4",
        pages="484--503",
    ),
    _article(
        "zou2008mover",
        "Zou, Guang Yong and Donner, Allan",
        "Construction of Confidence Limits about Effect Measures: A General Approach",
        "Statistics in Medicine",
        2008,
        "Zou & Donner 2008",
        volume="27",
        number="10",
        pages="1693--1702",
    ),
    _book("fisher1935design", "Fisher, R. A.", "The Design of Experiments", "Oliver and Boyd", 1935, "Fisher 1935"),
    _article(
        "phipson2010permutation",
        "Phipson, Belinda and Smyth, Gordon K.",
        "Permutation P-values Should Never Be Zero: Calculating Exact P-values When Permutations Are Randomly Drawn",
        "Statistical Applications in Genetics and Molecular Biology",
        2010,
        "Phipson & Smyth 2010",
        volume="9",
        number="1",
        note="Article 39",
    ),
    _article(
        "fagerland2013mcnemar",
        "Fagerland, Morten W. and Lydersen, Stian and Laake, Petter",
        "The McNemar Test for Binary Matched-Pairs Data: Mid-p and Asymptotic Are Better Than Exact Conditional",
        "BMC Medical Research Methodology",
        2013,
        "Fagerland, Lydersen & Laake 2013",
        volume="13",
        number="1",
        pages="91",
    ),
    _article(
        "schuirmann1987tost",
        "Schuirmann, Donald J.",
        "A Comparison of the Two One-Sided Tests Procedure and the Power Approach for Assessing the Equivalence of"
        " Average Bioavailability",
        "Journal of Pharmacokinetics and Biopharmaceutics",
        1987,
        "Schuirmann 1987",
        volume="15",
        number="6",
        pages="657--680",
    ),
    _article(
        "holm1979",
        "Holm, Sture",
        "A Simple Sequentially Rejective Multiple Test Procedure",
        "Scandinavian Journal of Statistics",
        1979,
        "Holm 1979",
        volume="6",
        number="2",
        pages="65--70",
    ),
    _article(
        "benjamini1995fdr",
        "Benjamini, Yoav and Hochberg, Yosef",
        "Controlling the False Discovery Rate: A Practical and Powerful Approach to Multiple Testing",
        "Journal of the Royal Statistical Society: Series B",
        1995,
        "Benjamini & Hochberg 1995",
        volume="57",
        number="1",
        pages="289--300",
    ),
    _article(
        "rao1981surveys",
        "Rao, J. N. K. and Scott, A. J.",
        "The Analysis of Categorical Data from Complex Sample Surveys: Chi-Squared Tests for Goodness of Fit and"
        " Independence in Two-Way Tables",
        "Journal of the American Statistical Association",
        1981,
        "Rao & Scott 1981",
        volume="76",
        number="374",
        pages="221--230",
    ),
    _article(
        "boos1992score",
        "Boos, Dennis D.",
        "On Generalized Score Tests",
        "The American Statistician",
        1992,
        "Boos 1992",
        volume="46",
        number="4",
        pages="327--333",
    ),
)


def references_in(texts: Iterable[str]) -> list[Reference]:
    """Those that these texts name, in the order of the list."""
    told = list(texts)
    return [reference for reference in _ALL if any(name in text for name in reference.cited_as for text in told)]
