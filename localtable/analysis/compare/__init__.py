"""Two panels on the same questions: outcomes, distances, who voted like whom, accuracy, cost.

Everything is read from written transcripts (`panels`), so that stores, files and imports compare alike; questions are
matched (`matching`), and figures are means over them (`figures`). docs/compare.md says what each one is.
"""

from localtable.analysis.compare.figures import Compared, Figure, Question, compare
from localtable.analysis.compare.matching import Matched, match
from localtable.analysis.compare.panels import Panel, PanelReader

__all__ = ["Compared", "Figure", "Matched", "Panel", "PanelReader", "Question", "compare", "match"]
