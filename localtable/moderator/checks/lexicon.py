"""Words by what they claim. Verbs stand here in all their forms: a sentence is read word by word, without a grammar."""

from __future__ import annotations


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# ── verbs ───────────────────────────────────────────────────────────────────────────────────────────────────

VOTE = _words(
    """
    vote votes voted voting back backs backed backing support supports supported supporting favour favours
    favoured favor favors favored pick picks picked picking select selects selected selecting prefer prefers
    preferred endorse endorses endorsed endorsing opt opts opted opting choose chooses chose chosen choosing
    cast casts casting sided sides siding settled settle settles settling landed lands ended ends finished
    finishes started starts began begins opened opens closed closes advocated advocates championed champions
    concluded concludes
    """
)
STAY = _words(
    """
    stay stays stayed staying remain remains remained remaining maintain maintains maintained maintaining stick
    sticks stuck sticking keep keeps kept keeping hold holds held holding stand stands stood standing retain
    retains retained retaining persist persists persisted
    """
)
CHANGE = _words(
    """
    change changes changed changing switch switches switched switching shift shifts shifted shifting flip flips
    flipped flipping convert converts converted converting defect defects defected defecting abandon abandons
    abandoned abandoning drop drops dropped dropping migrate migrated move moves moved moving turn turns turned
    turning swing swings swung swinging went goes going left leaves leaving crossed crosses crossing gave gives
    giving came comes coming traded trades trading exchanged exchanges reconsidered reconsiders revised revises
    swapped swaps swapping jumped jumps jumping joined joins joining adopted adopts adopting updated updates
    reversed reverses wavered defecting → ➔
    """
)
OWN_CHANGE = _words(
    """
    change changes changed changing switch switches switched switching flip flips flipped flipping defect
    defects defected defecting reconsidered reconsiders revised revises wavered swapped
    """
)
"""Of these, what says that a vote changed even where no option stands beside it."""
LEAVING = _words(
    """
    abandon abandons abandoned abandoning drop drops dropped dropping left leaves leaving gave gives giving
    traded trades trading exchanged exchanges
    """
)
"""Of these, what has the old option for its object."""
PERSUADE = _words(
    """
    persuade persuades persuaded persuading convince convinces convinced convincing sway sways swayed swaying
    influence influences influenced influencing won_over win_over winning_over brought_over brought_round
    talked_into
    """
)
MOVE_OTHERS = _words(
    """
    move moves moved moving flip flips flipped flipping swing swings swung swinging turn turns turned turning
    shift shifts shifted shifting convert converts converted converting push pushes pushed pushing pull pulls
    pulled pulling draw draws drew drawing led leads leading brought brings bringing tip tips tipped tipping
    nudge nudges nudged nudging talked talks talking switched changed prompted prompts prompting caused causes
    causing got made
    """
)
"""What persuades where a seat is its object."""
CREDIT = _words(
    """
    credited credits credit crediting thanks due because following named names cited followed follows
    """
)
"""What names a persuader behind it: `credited Bob`, `thanks to Bob`, `because of Bob`."""
TAKE = _words("picked attracted attracts drew gained gains got gets received receives had has won kept keeps")
"""Verbs of options that get votes: `No attracted only Ada`."""
COPULA = _words("was is were be being :")
BOUNDS = _words(
    """
    ended ends finished finishes started starts began begins opened opens closed closes concluded concludes
    landed
    """
)
"""Verbs that say a vote only of a seat, and only with an option."""
WIN = _words(
    """
    won wins win winning prevailed prevails triumphed beat beats outvoted triumphs victorious winner carried victory
    """
)
LEAD = _words("led leads leading ahead leader frontrunner top lead")
LOSE = _words("lost loses lose losing trailed trails defeated")
TIE = _words("tied tie ties tying deadlock deadlocked stalemate")
SURER = _words("surer confident certain sure convinced")
LESS = _words("less unsure doubtful")
SAY = _words(
    """
    said says say saying argue argues argued arguing claim claims claimed claiming state states stated stating
    contend contends contended insist insists insisted insisting note notes noted noting point pointed pointing
    points add adds added wrote writes writing write explain explains explained explaining reply replied replies
    put puts called calls quoted asserted asserts asserting reasoned reasons warned warns highlighted highlights
    cited cites thought thinks believed believes answered answers answering remarked remarks remarking words
    declared declares
    """
)

# ── subjects ────────────────────────────────────────────────────────────────────────────────────────────────

EVERYBODY = _words("everyone everybody all each every both unanimously")
NOBODY = _words("nobody none no_one no_seat no_model no_participant no_member no_vote")
SOME = _words("some several others another few a one other remaining rest")
MOST = _words("most majority")
SEATS = _words(
    """
    seat model participant member panelist panellist debater voter speaker agent side one
    """
)
MANY_SEATS = _words(
    """
    seats models participants members panelists panellists debaters voters speakers agents sides people others
    them
    """
)
PEOPLE = SEATS | MANY_SEATS
PANEL = _words("panel table group jury committee council")
AGREE = _words("agreed agree agrees agreeing")
RESULT = _words("verdict result outcome decision winner consensus answer conclusion")
VOTES = _words("vote votes ballot ballots")
OWN = _words(
    """
    vote votes ballot position mind answer choice view opinion stance preference support pick selection
    """
)
"""What of a seat may change or stay."""
ROUNDS = _words("round rounds")
CHANGES = _words("change changes switch switches flips shifts changed")
POINTS = _words("point points percent percentage pp")
OPTIONS = _words("option options choices answers alternatives")
PRONOUNS = _words("it he she they who this that its their his her which")

LINKS = _words(
    """
    and & both also then had has have was were is are be been being finally first initially originally later
    eventually already still again would did does do to who which that each all alone only too never not simply
    firmly ultimately once itself themselves however therefore or nor neither didn't didn’t got get became gets
    always even just soon at last in the end indeed openly now subsequently thus successfully quickly clearly
    consistently steadily promptly together throughout refused failed but except single other two three
    remaining of from outset start beginning his her its their final a every most several some every majority
    this
    """
)
"""What may stand between a subject and its verb, beside names, numbers, and what of a seat may change."""

NOT = _words(
    """
    not never neither nor without didn't didn’t doesn't doesn’t wasn't wasn’t hasn't hasn’t weren't weren’t
    refused refuses refusing failed declined no nothing
    """
)
FIRST = _words(
    """
    initially originally first began begins started starts opened opens outset beginning start
    """
)
LAST = _words(
    """
    finally final last ended ends finished finishes closed closes end ultimately concluded concludes eventually
    """
)
ALWAYS = _words("throughout always consistently both every all steadily")

# ── numbers ─────────────────────────────────────────────────────────────────────────────────────────────────

NUMBERS = {
    word: number
    for number, word in enumerate(
        "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen".split()  # noqa: SIM905
    )
}
TIMES = {"once": 1, "twice": 2, "thrice": 3}
ORDINALS = {
    word: number
    for number, word in enumerate(
        "first second third fourth fifth sixth seventh eighth ninth tenth".split(),  # noqa: SIM905
        start=1,
    )
} | {f"{number}{end}": number for number in range(1, 101) for end in ("st", "nd", "rd", "th")}

# ── names ───────────────────────────────────────────────────────────────────────────────────────────────────

ORDINARY = frozenset().union(
    *(VOTE, STAY, CHANGE, PERSUADE, PEOPLE, PANEL, RESULT, VOTES, OWN, ROUNDS, EVERYBODY, NOBODY, SOME, MOST, LINKS),
    *(NOT, FIRST, LAST, PRONOUNS, OPTIONS, WIN, TIE, LEAD, LOSE, MOVE_OTHERS, NUMBERS),
    _words(
        """
    an these those our we i on by for with as if while when where whereas although though because since after before
    during until many there here so overall meanwhile instead yet despite question summary plurality unanimous what how
    why conversely similarly additionally furthermore moreover nevertheless having given based according across between
    over under against thanks due something everything either such same different ai llm llms yes opinions views
    arguments argument key turning point points strongest strong statement statements discussion disagreement agreement
    it's that's let today english reading following quoting citing unlike like beyond among more less much second third
    fourth fifth next agreeing arguing noting pointing half faced asked told credited naming named unanimity reason
    reasoning within along into onto out up down off per via further least score scores count counts total tally i'm
    we're they're
    """
    ),
)
"""Words that may stand at a sentence's beginning, or with a capital, and are nobody's name."""
