"""The page of results."""

from collections.abc import Sequence

from benchmarks.markdown import table

PAGE = """\
# None of these

    python -m benchmarks.open_set ASSETS --cache FOLDER --draws {draws} -o docs/results/open-set.md

How well are clips of untaught actions recognised as such, and is what is promised about them kept?
Half of the classes of each set are taught, the others are unknown, and all clips of a draw come
from different groups, except where a table says otherwise. There are as many new clips of untaught
as of taught classes. {draws} draws each; ± is half of a 95 % interval over draws.

## Which score separates them?

AUROC within a draw, in per cent: the probability that a clip of a taught class has a higher score
than a clip of an untaught one. 50 is chance.

Development clips, on which the score was chosen:

{development}

Test clips. They chose neither the score nor its constants, but a table of them with 20 draws was
seen while scores were compared: an earlier score lost on `utd27_depth` 14–27, which started the
search for this one.

{test}

A probability says which class, not whether: with one clip of a class, it and the margin are the
worst candidates on average over the development clips. How near a clip is separates best there,
without normalising class by class: with two to five clips of a class, its own scale costs more than
it corrects. On the clips that chose nothing the same holds on average, but not in every column.

## With clips of no class: promised against measured

Three classes, three clips of each. The clips of no class show untaught actions of other groups than
the new clips; the groups are known. A set without enough clips for a row has none. Both promises
limit the false alarms: the fraction of clips of untaught actions that get a class. "Promised" holds
for clips that are drawn like the clips of no class; it is above the requested rate where there are
too few of them. "Other groups" holds for people and web videos that no clip of no class is of, as
the new clips are; it is the mean over draws, which differ in their numbers of groups.

{none}

In `utd5_rgb` the clips of no class are of two actions and of two people, the new clips of three
others: false alarms exceed what is promised for clips of the same people. The promise to other
groups is kept in every row. With G groups it cannot be below 1 / (G + 1), and more clips of the
same groups do not lower it: `teach` prints both if `none` has a folder for each person.

## Without clips of no class

Without a requested rate every clip gets a class. A limit of false rejections was tried as the
default: with three clips of a class it rejected right answers of other people's clips.
A requested rate is an estimate of false alarms from the training clips, [in which each class is
replaced](../decisions/unknown-from-training-clips.md) by an untaught one. Its constants were chosen
on the development clips. Requested are rates of 5, 10 and 20 %. Where the groups are not known,
training clips may be of several groups or of one; both are taken as equally likely, so that the
rates should be met between the two rows.

{rest}

## The known probability

`known` is the probability that a clip shows one of the classes, if half of all clips do, without
clips of no class. ECE as below, in per cent; then the mean probability of clips of
taught and of untaught classes. `predict` says how many clips have less than 0.2: the last columns
have how many per cent of the clips of taught classes are answered correctly and named, and how
many of the clips of untaught classes are named. Rows of development clips come first.

{known}

New clips are of other groups: people or web videos. Where the training clips of a class are of one
group, or as few as possible, they are more alike than new clips are like them. Nothing shows the
classifier that this is so, unless it knows the groups; it takes both as equally likely. Its
constants were chosen on the development clips; before, the probability of `utd27_depth` 1-13
with two training clips of one person was off by 38 (ECE), and 46 % of the clips of taught classes
had less than 0.05.

## Probabilities

Five classes, new clips of the taught classes alone. ECE is the expected calibration error in per
cent, over ten bins. "p ≥ 0.8" is how many per cent of the clips with such a probability are right,
of how many per cent of all clips. The temperature of the method alone is the first pair; the
calibrated one is what the classifier uses. At one shot no clip can be held out, and the calibrated
temperature is what development clips lead one to expect. Rows of development clips come first.

{calibrated}

At one shot nothing says whether a set is hard: the expected temperature is a compromise, too
cautious for `ucf7` and still too sure for `motions`; neither the training clips nor the query say
[which is right](../decisions/one-shot-probabilities.md). From two shots on, held-out clips say it.

## Sets

`--sets 0.9` answers with every class that is probable enough. Five classes, new clips of the taught
classes alone: per cent of the clips whose set has the true class, mean number of classes in a set,
and per cent of the draws with too few held-out clips, in which a set has all classes. The promise
is about clips that are drawn like the training clips; new clips are of other groups. It is kept in
every row, within its interval. Where the first class is right more often than requested, sets have
one class.

{sets}

## The interval of the accuracy

How often the interval that `teach` prints has the accuracy of the new clips, in per cent of the
draws, where a draw has at least 20 new clips. The divisors of the interval were chosen on the
development clips, whose rows come first. It is wider than 95 % would need: its upper end must reach
100 % wherever all new clips of a draw may be right.

{covered}
"""

Rows = Sequence[Sequence[str]]


def page(
    draws: int,
    scores: tuple[str, str],
    promises: tuple[Rows, Rows, Rows],
    figures: tuple[Rows, Rows, Rows],
) -> str:
    """Return the page.

    Args:
        draws: Number of draws.
        scores: Tables of the scores on development clips and on other clips.
        promises: Rows with and without clips of no class, and on the known probability.
        figures: Rows of the reliability, of the interval's coverage and of the sets'.
    """
    columns = ["false alarms", "false rejections", "right"]
    pair = ["ECE", "p ≥ 0.8"]
    return PAGE.format(
        draws=draws,
        development=scores[0],
        test=scores[1],
        none=table(
            ["set", "clips of no class", "requested", "promised", "other groups", *columns],
            promises[0],
        ),
        rest=table(["set", "classes", "shots", "training clips", *columns], promises[1]),
        known=table(
            [
                "set",
                "classes",
                "shots",
                "training clips",
                "ECE",
                "mean, taught / untaught",
                "right and below 0.2",
                "untaught and below 0.2",
            ],
            promises[2],
        ),
        calibrated=table(
            ["set", "shots", "accuracy", *(f"{x}, method" for x in pair), *pair], figures[0]
        ),
        sets=table(
            ["set", "shots", "requested", "true class in the set", "size", "all classes"],
            figures[2],
        ),
        covered=table(["set", "shots", "held out", "covered", "mean width"], figures[1]),
    )
