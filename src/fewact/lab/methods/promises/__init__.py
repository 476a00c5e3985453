"""What every method promises, checked on any method: ``fewact check-method`` and the tests."""

from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from fewact.core.errors import OptionError, ShapeError, UserError
from fewact.core.options import option_descriptions, option_groups, option_names
from fewact.features.request import FeatureRequest
from fewact.lab.methods.adapters import differentiable
from fewact.lab.methods.base import Nodes, TextMethod, TorchMethod, join
from fewact.lab.methods.common.inputs import of_videos
from fewact.lab.methods.promises.subject import (
    EPISODES,
    QUERIES,
    SHOTS,
    WAYS,
    Subject,
    accepts,
    made_up_features,
    make,
    other_option,
    scores,
    separable_features,
    take,
)
from fewact.methods.cards import CARDS
from fewact.methods.protocols import MOST_PAIRS, Adapter, bank_scorer

__all__ = ["PROMISES", "Promise", "PromiseError", "PromiseResult", "Subject", "check_method"]

TOLERANCE = 1e-4
"""Largest difference of logits that should be equal, relative to the largest of them."""

Check = Callable[[Subject], None]


class PromiseError(UserError):
    """A method breaks a promise of the contract."""


class Broken(Exception):
    """What a check found; the promise adds its text and its hint."""

    def __init__(self, *, where: str = "", got: str = "", expected: str = "") -> None:
        self.where, self.got, self.expected = where, got, expected


class Promise:
    """One promise of the contract."""

    def __init__(self, text: str, look: str, check: Check) -> None:
        self.text, self.look, self._check = text, look, check

    def check(self, subject: Subject) -> None:
        """Raise a ``PromiseError`` if a method breaks the promise."""
        try:
            self._check(subject)
        except Broken as found:
            raise PromiseError(
                self.text,
                where=found.where,
                got=found.got,
                expected=found.expected,
                hint=self.look,
            ) from None


def check_finite(value: Tensor, where: str = "") -> None:
    """Refuse NaN and infinity."""
    if not value.isfinite().all():
        raise Broken(where=where, got="NaN or infinity", expected="finite numbers")


def check_equal(got: Tensor, expected: Tensor, where: str = "") -> None:
    """Refuse tensors that differ by more than ``TOLERANCE``."""
    size = max(1.0, float(expected.abs().max())) if expected.numel() else 1.0
    if got.shape != expected.shape:
        raise Broken(where=where, got=str(tuple(got.shape)), expected=str(tuple(expected.shape)))
    if not torch.allclose(got, expected, rtol=0, atol=TOLERANCE * size):
        raise Broken(where=where, got=difference(got, expected), expected="equal values")


def difference(first: Tensor, second: Tensor) -> str:
    """Return the largest difference in words."""
    return f"a difference of {float((first - second).abs().max()):.3g}"


def attributes(method: TorchMethod) -> dict[str, Any]:
    """Return the values of all attributes, those in containers too, by name; arrays are copied."""
    values: dict[str, Any] = {}
    for prefix, module in method.named_modules():
        own = {**vars(module), **(vars(module.wrapped) if isinstance(module, Adapter) else {})}
        for name, value in own.items():
            _add(values, f"{prefix}.{name}" if prefix else name, value)
    return values


def changed(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """Return the names of attributes that are new, missing or have another value."""
    return sorted(
        name
        for name in before.keys() | after.keys()
        if name not in before or name not in after or not _equal(before[name], after[name])
    )


def _add(values: dict[str, Any], name: str, value: Any) -> None:
    if isinstance(value, Tensor):
        values[name] = value.detach().clone()
    elif isinstance(value, np.ndarray):
        values[name] = value.copy()
    elif isinstance(value, set):
        values[name] = frozenset(value)
    elif isinstance(value, Mapping | list | tuple | deque):
        values[name] = len(value)
        items: Iterable[tuple[Any, Any]] = (
            value.items() if isinstance(value, Mapping) else enumerate(value)
        )
        for key, item in items:
            _add(values, f"{name}[{key!r}]", item)
    else:
        values[name] = value


def _equal(old: Any, new: Any) -> bool:
    if isinstance(old, Tensor) and isinstance(new, Tensor):
        return torch.equal(old, new)
    if isinstance(old, np.ndarray) and isinstance(new, np.ndarray):
        return np.array_equal(old, new)
    plain = (bool, int, float, str, frozenset)
    return old is new or (isinstance(old, plain) and isinstance(new, plain) and old == new)


SEPARABLE_EPISODES, SEPARABLE = 8, 2 / 3
"""Number of episodes whose classes are easy to distinguish. More than this fraction of the queries
must be right; chance is 32 of 96 queries."""

PROMISES: dict[str, Promise] = {}
"""All promises by name."""


def _promise(text: str, look: str) -> Callable[[Check], Check]:
    def add(check: Check) -> Check:
        PROMISES[check.__name__] = Promise(text, look, check)
        return check

    return add


@_promise("The logits of b episodes, q queries and n classes have the shape (b q n).", "score")
def shapes(subject: Subject) -> None:
    """Check shapes, single shots and single queries, and that all logits are finite."""
    method = subject.make()
    for b, n, k, q in ((1, 2, 1, 1), (2, 3, 2, 4), (3, 7, 3, 2)):
        support, labels, query = subject.episode(method, b, n, k, q)
        logits = scores(subject, method, support, labels, query, n)
        if logits.shape != (b, q, n):
            raise Broken(got=str(tuple(logits.shape)), expected=str((b, q, n)))
        check_finite(logits)


@_promise("The order of the support videos has no effect.", "support: average by labels")
def support_order(subject: Subject) -> None:
    """Permute the support videos with their labels."""
    method = subject.make()
    support, labels, query = subject.episode(method)
    order = torch.tensor([3, 0, 5, 1, 4, 2])
    expected = scores(subject, method, support, labels, query)
    got = scores(subject, method, take(support, order), labels[:, order], query)
    check_equal(got, expected)


@_promise(
    "A query scores the same alone and in company.",
    "score: a mean or norm over the queries' axis; otherwise set transductive = True",
)
def alone(subject: Subject) -> None:
    """Score each query as the only one of its episode."""
    method = subject.make()
    if method.transductive:
        return
    support, labels, query = subject.episode(method)
    together = scores(subject, method, support, labels, query)
    queries = (take(query, slice(i, i + 1)) for i in range(QUERIES))
    got = torch.cat([scores(subject, method, support, labels, single) for single in queries], 1)
    check_equal(got, together)


@_promise("Permuted queries permute the rows of the logits.", "score: axes b and q")
def query_order(subject: Subject) -> None:
    """Permute the queries."""
    method = subject.make()
    support, labels, query = subject.episode(method)
    order = torch.tensor([2, 0, 3, 1])
    expected = scores(subject, method, support, labels, query)[:, order]
    check_equal(scores(subject, method, support, labels, take(query, order)), expected)


@_promise("Renamed classes permute the columns of the logits.", "support: labels as positions")
def class_names(subject: Subject) -> None:
    """Give the classes other numbers."""
    method = subject.make()
    support, labels, query = subject.episode(method)
    new = torch.tensor([2, 0, 1])
    expected = scores(subject, method, support, labels, query)
    text = subject.text(method, EPISODES, WAYS)
    if text is not None:
        text = torch.empty_like(text).index_copy(1, new, text)
    got = scores(subject, method, support, new[labels], query, text=text)
    check_equal(got[..., new], expected)


@_promise("Episodes score the same in a batch and one by one.", "support and score: axis b")
def batches(subject: Subject) -> None:
    """Score each episode of a batch alone."""
    method = subject.make()
    support, labels, query = subject.episode(method)
    text = subject.text(method, EPISODES, WAYS)
    together = scores(subject, method, support, labels, query, text=text)
    for i in range(EPISODES):
        episode = slice(i, i + 1)
        support_alone, queries = (
            {n: v[episode] for n, v in nodes.items()} for nodes in (support, query)
        )
        got = scores(
            subject,
            method,
            support_alone,
            labels[episode],
            queries,
            text=None if text is None else text[episode],
        )
        check_equal(got, together[episode])


@_promise("Classes may have different numbers of shots.", "support: use one_hot_mean")
def uneven_shots(subject: Subject) -> None:
    """Score a class of three shots and two of one; the order of the shots has no effect."""
    method = subject.make()
    support, labels, query = subject.episode(method, k=3)
    videos = torch.tensor([0, 1, 2, 3, 6])  # class 0 three times, 1 and 2 once
    expected = scores(subject, method, take(support, videos), labels[:, videos], query)
    check_finite(expected)
    order = videos[torch.tensor([4, 1, 3, 0, 2])]
    got = scores(subject, method, take(support, order), labels[:, order], query)
    check_equal(got, expected)


@_promise("Each video is encoded alone.", "encode: a mean or norm over several videos")
def encoding_alone(subject: Subject) -> None:
    """Encode one video of a batch by itself, and in another batch shape."""
    method = subject.make()
    features = made_up_features(method, subject.card, 2, 3)
    with torch.no_grad():
        together = method.encode(features)
        single = method.encode({request: values[1, 2] for request, values in features.items()})
    if together.keys() != single.keys():
        raise Broken(got=", ".join(single), expected=", ".join(together))
    for name, value in single.items():
        check_equal(value, together[name][1, 2], where=f'node "{name}"')


@_promise("Zero and constant features give finite logits.", "a division by a norm or a variance")
def zero_features(subject: Subject) -> None:
    """Encode and score videos of zeros, and videos of ones."""
    method = subject.make()
    for value in (0, 1):
        features = made_up_features(method, subject.card, 1, 2).items()
        with torch.no_grad():
            nodes = method.encode({request: torch.full_like(x, value) for request, x in features})
        logits = scores(subject, method, nodes, torch.tensor([[0, 1]]), nodes, 2)
        check_finite(logits, where=f"features of {value}")


@_promise("Logits in float32 agree with those in float64.", "a difference of large numbers")
def dtypes(subject: Subject) -> None:
    """Score the same nodes in both."""
    method = subject.make()
    support, labels, query = subject.episode(method)
    double = [{n: v.double() for n, v in nodes.items()} for nodes in (support, query)]
    expected = scores(subject, subject.make().double(), double[0], labels, double[1])
    got = scores(subject, method, support, labels, query)
    if got.dtype != torch.float32 or expected.dtype != torch.float64:
        raise Broken(got=f"{got.dtype}, {expected.dtype}", expected="the type of the nodes")
    check_equal(got.double(), expected)


@_promise("Logits are the same in each call.", "encode and score: dropout or random numbers")
def deterministic(subject: Subject) -> None:
    """Encode and score twice."""
    method = subject.make()
    first, second = (scores(subject, method, *subject.episode(method)) for _ in range(2))
    if not torch.equal(first, second):
        raise Broken(got=difference(first, second), expected="equal logits")


@_promise(
    "The losses have finite gradients, and reach the features and every trained weight.",
    "losses: a square root or norm at zero, or a detached tensor; requires_grad=False for a weight "
    "that is not trained",
)
def gradients(subject: Subject) -> None:
    """Differentiate the sum of the losses.

    The gradient of a weight may be zero, as behind a gate that is closed at first. Weights that
    ``class_vectors`` alone uses are trained by the base-class loss.
    """
    method = subject.make()
    if not differentiable(method):
        return
    batch = subject.batch(method)
    leaves: dict[str, Tensor] = {
        f"features {request}": value.requires_grad_()
        for request, value in batch.support.items()
        if value.is_floating_point() and isinstance(request, FeatureRequest)
    }
    if batch.text is not None:
        leaves["text"] = batch.text.requires_grad_()
    weights = {n: p for n, p in method.named_parameters() if p.requires_grad}
    losses = method.losses(batch)
    total = torch.stack([loss.reshape(()) for loss in losses.values()]).sum()
    check_finite(total, where=f"losses {', '.join(losses)}")
    if not total.requires_grad:
        if leaves or weights:
            raise Broken(got="losses without a gradient")
        return
    gradients_by_name = _gradients(total, {**leaves, **weights})
    for name, gradient in gradients_by_name.items():
        check_finite(gradient, where=name)
    missed = [
        name
        for name in leaves
        if name not in gradients_by_name or not gradients_by_name[name].any()
    ]
    if missed and (not method.uses_text or "text" in missed):
        raise Broken(where=", ".join(missed), got="no gradient")
    vectors = method.class_vectors(method.encode(join(batch.support, batch.query)))
    gradients_by_name |= _gradients(vectors.sum(), weights)
    if unused := [name for name in weights if name not in gradients_by_name]:
        raise Broken(where=", ".join(unused), got="no gradient", expected="a loss of each weight")


def _gradients(value: Tensor, of: Mapping[str, Tensor]) -> dict[str, Tensor]:
    if not of or not value.requires_grad:
        return {}
    gradients_of = torch.autograd.grad(value, list(of.values()), allow_unused=True)
    return {
        name: gradient
        for name, gradient in zip(of, gradients_of, strict=True)
        if gradient is not None
    }


@_promise(
    "Initial weights depend on the options alone.", "__init__: use methods.common.inputs.seeded"
)
def initial_weights(subject: Subject) -> None:
    """Make the method twice, and look at torch's generator."""
    state = torch.get_rng_state()
    first = subject.make()
    if not torch.equal(torch.get_rng_state(), state):
        raise Broken(got="torch's global generator was used", expected="a seed")
    torch.rand(7)
    second = subject.make().state_dict()
    for name, value in first.state_dict().items():
        if not torch.equal(value, second[name]):
            raise Broken(where=name, got="other values the second time")


@_promise(
    "Nothing is kept on the module between calls.",
    "encode, support and score: assign no attribute, and add nothing to a list or dictionary",
)
def nothing_kept(subject: Subject) -> None:
    """Compare attributes and weights of the method and of its parts before and after."""
    method = subject.make()
    before = attributes(method)
    scores(subject, method, *subject.episode(method))
    if names := changed(before, attributes(method)):
        raise Broken(got=", ".join(names))


@_promise(
    "Features, nodes and labels are not changed by a call.",
    "encode, support and score: operations in place, such as x -= y or normalize_",
)
def inputs_unchanged(subject: Subject) -> None:
    """Compare them before and after: other methods and later episodes read the same tensors."""
    method = subject.make()
    features = made_up_features(method, subject.card, EPISODES, WAYS * SHOTS)
    inputs: dict[str, Tensor] = {
        f"features {request}": value for request, value in features.items()
    }
    before = {name: value.clone() for name, value in inputs.items()}
    with torch.no_grad():
        method.encode(features)
    _unchanged(inputs, before)
    support, labels, query = subject.episode(method)
    inputs = {f'node "{name}" of support videos': value for name, value in support.items()}
    inputs |= {f'node "{name}" of queries': value for name, value in query.items()}
    inputs |= {"labels": labels}
    before = {name: value.clone() for name, value in inputs.items()}
    scores(subject, method, support, labels, query)
    _unchanged(inputs, before)


def _unchanged(inputs: Mapping[str, Tensor], before: Mapping[str, Tensor]) -> None:
    for name, value in inputs.items():
        if not torch.equal(value, before[name]):
            raise Broken(where=name, got="other values after the call")


@_promise(
    "Text reaches methods that use it, and they refuse to work without.",
    "derive from TextMethod, and check with methods.common.inputs.class_text",
)
def text_methods(subject: Subject) -> None:
    """Give no text, embeddings of another length, and the embeddings of too many classes."""
    method = subject.make()
    support, labels, query = subject.episode(method)
    if not method.uses_text:
        nan = torch.full((EPISODES, WAYS, subject.card.vectors), torch.nan)
        got = scores(subject, method, support, labels, query, text=nan)
        check_finite(got, where="a method without text")
        return
    if not isinstance(method, TextMethod):
        raise Broken(got="uses_text of a method that is no TextMethod")
    width = subject.card.vectors
    for text in (None, torch.zeros(2, WAYS, width + 1), torch.zeros(2, WAYS + 1, width)):
        try:
            method.support(support, labels, WAYS, text=text)
        except (OptionError, ShapeError):
            continue
        shape = "none" if text is None else str(tuple(text.shape))
        raise Broken(got=f"no error for {shape}", expected="an OptionError or ShapeError")


@_promise(
    "What is computed once a video or a pair changes no logit.",
    "with_text, bank_scorer and tabulated",
)
def once_a_video(subject: Subject) -> None:
    """Score nodes that have met the text of their class, rows of a bank, and tables of pairs."""
    method = subject.make()
    support, labels, query = subject.episode(method)
    expected = scores(subject, method, support, labels, query)
    flat: Nodes
    flat, flat_query = (
        {n: v.flatten(0, 1) for n, v in nodes.items()} for nodes in (support, query)
    )
    text = subject.text(method, EPISODES, WAYS)
    with torch.no_grad():
        if text is not None and isinstance(method, TextMethod):
            named = method.with_text(flat, of_videos(text, labels).flatten(0, 1))
            nodes = {name: value.unflatten(0, labels.shape) for name, value in named.items()}
            got = scores(subject, method, nodes, labels, query)
            check_equal(got, expected, where="with_text")
            flat = named
        rows = torch.arange(labels.numel()).view(labels.shape)
        queries = torch.arange(EPISODES * QUERIES).view(EPISODES, -1)
        for comparisons in (0, MOST_PAIRS):  # without tables of pairs, and with
            score = bank_scorer(method, flat, flat_query, comparisons)
            if score is not None:
                check_equal(score(rows, labels, WAYS, queries), expected, where="bank_scorer")


@_promise(
    "A method that needs no training recognises classes that are easy to distinguish.",
    "score: the class of the highest logit is predicted, so a distance needs a minus; support: "
    "labels; or set trained = False if the weights are random",
)
def separable_classes(subject: Subject) -> None:
    """Classify videos whose classes differ much more than the videos of one class.

    Methods whose weights are random until training are not checked. Methods that use text are not
    checked either, because the text is random here.
    """
    method = subject.make()
    if method.uses_text or not method.trained:
        return
    labels = torch.arange(WAYS).repeat(SHOTS).expand(SEPARABLE_EPISODES, -1)
    truth = torch.arange(WAYS).repeat(QUERIES).expand(SEPARABLE_EPISODES, -1)
    with torch.no_grad():
        support, query = (
            method.encode(separable_features(method, subject.card, classes, seed))
            for seed, classes in enumerate((labels, truth))
        )
    right = int((scores(subject, method, support, labels, query).argmax(-1) == truth).sum())
    if right <= SEPARABLE * truth.numel():
        raise Broken(
            got=f"{right} of {truth.numel()} queries right, chance is {truth.numel() // WAYS}",
            expected=f"more than {SEPARABLE:.0%} right",
        )


@_promise("Options are a frozen dataclass; each is described.", "Options: a line in Args for each")
def options_documented(subject: Subject) -> None:
    """Look for each option in the docstring, and try to change one."""
    options = subject.make().options
    documented: dict[str, type] = {"": type(options), **option_groups(type(options))}
    for name in option_names(type(options)):
        group, _, option = name.rpartition(".")
        if not option_descriptions(documented[group]).get(option):
            raise Broken(where=f'option "{name}"', got="no description")
    if not type(options).__dataclass_params__.frozen:
        raise Broken(got="a dataclass that is not frozen")


@_promise("Options in ``scoring`` do not change the encoding.", "scoring, or encode")
def scoring_options(subject: Subject) -> None:
    """Change each of them; one without another valid value is left out."""
    method = subject.make()
    unknown = method.scoring - set(option_names(type(method.options)))
    if unknown:
        raise Broken(got=f"no options: {', '.join(sorted(unknown))}")
    features = made_up_features(method, subject.card, 2)
    expected = method.encode(features)
    for name in sorted(method.scoring):
        changed_method = other_option(method, name)
        if changed_method is None or not accepts(changed_method, subject.card):
            continue
        if changed_method.requests(subject.card) != method.requests(subject.card):
            raise Broken(where=f'option "{name}"', got="other requests")
        got = changed_method.encode(features)
        equal = got.keys() == expected.keys() and all(
            torch.equal(value, expected[key]) for key, value in got.items()
        )
        if not equal:
            raise Broken(where=f'option "{name}"', got="another encoding")


@dataclass(frozen=True)
class PromiseResult:
    """Result of one promise.

    Args:
        promise: The promise.
        error: The actual result; None if the promise is kept.
    """

    promise: Promise
    error: UserError | None = None


def check_method(
    method: type[Any], options: Mapping[str, Any] | None = None
) -> list[PromiseResult]:
    """Check all promises of a method on made-up features: with maps, with vectors alone, of joints.

    Args:
        method: Class of the method.
        options: Options that differ from their defaults.

    Returns:
        One outcome for each promise; a promise that is broken on any backbone is broken. A backbone
        that the method refuses is left out.
    """
    subjects = [Subject(partial(make, method, card, options or {}), card) for card in CARDS]
    subjects[0].make()  # Invalid options are no broken promise.
    usable = [subject for subject in subjects if _usable(subject)] or subjects[:1]
    return [_result(promise, usable) for promise in PROMISES.values()]


def _usable(subject: Subject) -> bool:
    try:
        return accepts(subject.make(), subject.card)
    except OptionError:  # Options that do not fit this backbone.
        return False
    except UserError:
        raise
    except Exception:  # The method is the user's: the promises say what it raises.
        return True


def _result(promise: Promise, subjects: Sequence[Subject]) -> PromiseResult:
    for subject in subjects:
        try:
            promise.check(subject)
        except PromiseError as error:
            return PromiseResult(promise, error)
        except Exception as error:  # The method is the user's: whatever it raises breaks a promise.
            got = " ".join(f"{type(error).__name__}: {error}".split())
            return PromiseResult(promise, PromiseError(promise.text, got=got, hint=promise.look))
    return PromiseResult(promise)
