"""Document → overlapping windows → features, and back: what encoding cannot hold is counted, never dropped unseen.

A word (``text.words``) is represented by its first sub-word for names, by the mean of its sub-words for claims. Windows overlap so
that every word has context on both sides; each word, and so each anchor, is *owned* by exactly one window. The roles of a claim are
tags over the words around its anchor, in whatever windows they lie, so a claim may be longer than a window.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from tokenizers import normalizers, pre_tokenizers
from transformers import AutoTokenizer, PreTrainedTokenizerFast

from nisba.labels import NAME_TAGS, ROLE_TAGS, tag, untag
from nisba.schema import LAYERS, ROLES, SOURCE_TYPES, STANCES, Claim, Document, Span, trim
from nisba.text import PLACEHOLDERS, cleaning, quotations, sentences, splitting, words

WINDOW = 384  # sub-words, special tokens included
REACH = 1024  # words on either side of an anchor among which its roles are looked for
PIECES = 12  # sub-words of one word that the encoder sees; the label rides on the first


@dataclass(frozen=True, slots=True)
class Window:
    """Sub-words of one encoder pass. ``owners[i]`` is the word that position i belongs to where this window owns it, else -1."""

    input_ids: list[int]
    owners: list[int]


@dataclass(frozen=True)
class Encoded:
    """A document as the model sees it. Every word is owned by one window, in order."""

    document: Document
    words: list[Span]
    windows: list[Window]

    @cached_property
    def firsts(self) -> list[tuple[int, int]]:
        """(window, position) of every word's first sub-word."""
        found: dict[int, tuple[int, int]] = {}
        for number, window in enumerate(self.windows):
            for position, word in enumerate(window.owners):
                if word >= 0:
                    found.setdefault(word, (number, position))
        return [found[word] for word in range(len(self.words))]

    @cached_property
    def sentence(self) -> list[int]:
        """The number of the sentence that every word begins in."""
        starts = [span.start for span in sentences(self.document.text)]
        return [bisect_right(starts, word.start) - 1 for word in self.words]

    @cached_property
    def quotation(self) -> list[int]:
        """0 outside quotation marks, else 1 + the number of the innermost quotation that holds the word."""
        inside = [0] * len(self.words)
        ends = [word.end for word in self.words]
        for number, mark in enumerate(quotations(self.document.text), 1):
            for i in range(bisect_right(ends, mark.start), len(self.words)):
                if self.words[i].start >= mark.end:
                    break
                inside[i] = number
        return inside

    def reach(self, anchor: int) -> range:
        """The words among which the roles of the claim at ``anchor`` are tagged."""
        return range(max(0, anchor - REACH), min(len(self.words), anchor + REACH + 1))


@dataclass(frozen=True, slots=True)
class ClaimTarget:
    """What the model should say of one claim: ``roles`` are ROLE_TAGS indices over ``Encoded.reach(anchor)``."""

    anchor: int
    roles: list[int]
    source_type: int
    stance: int


@dataclass(frozen=True, slots=True)
class Targets:
    """The labels of one document. ``names`` are NAME_TAGS indices, one a word. ``lost`` counts what they cannot hold.

    ``layers`` are those of LAYERS that are annotated: the rest is unknown, not absent.
    """

    names: list[int]
    claims: list[ClaimTarget]
    lost_entities: int
    lost_claims: int
    layers: frozenset[str] = LAYERS


def load_tokenizer(path: str, **options: object) -> PreTrainedTokenizerFast:
    """A fast tokenizer with nisba's cleaning in front of its own normalizer. Raises ValueError where there is no fast one.

    A tokenizer that was saved with the cleaning is returned as it is. Lower-casing and accent stripping are switched off: AraBERT
    ships them on, which turns `إن` ("that", after said) into `ان`.
    """
    tokenizer = AutoTokenizer.from_pretrained(path, use_fast=True, **options)
    if not isinstance(tokenizer, PreTrainedTokenizerFast):
        raise ValueError(f"{path}: no fast tokenizer; nisba needs its offsets")  # noqa: TRY004
    backend = tokenizer.backend_tokenizer
    backend.no_truncation()
    backend.no_padding()
    if tokenizer.init_kwargs.get("nisba_cleaning"):
        return tokenizer
    own, last = backend.normalizer, backend.pre_tokenizer
    if isinstance(own, normalizers.BertNormalizer):
        own = normalizers.BertNormalizer(clean_text=True, handle_chinese_chars=True, strip_accents=False, lowercase=False)
    if isinstance(last, pre_tokenizers.ByteLevel):  # words come without the space that byte-level pieces begin with
        last = pre_tokenizers.ByteLevel(add_prefix_space=True)
    first = cleaning(brackets=f"[{PLACEHOLDERS[0]}]" in tokenizer.get_vocab())
    backend.normalizer = normalizers.Sequence([first, own] if own is not None else [first])
    backend.pre_tokenizer = pre_tokenizers.Sequence(splitting() + ([last] if last is not None else []))
    # The generic class: a model's own class would build its normalizer anew on loading and drop the cleaning.
    return PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=backend,
        model_max_length=tokenizer.model_max_length,
        model_input_names=tokenizer.model_input_names,
        nisba_cleaning=True,
        **tokenizer.special_tokens_map,
    )


def encode(document: Document, tokenizer: PreTrainedTokenizerFast, *, window: int = WINDOW) -> Encoded:
    """Cut a document into windows of at most ``window`` sub-words, special tokens included (at least 16)."""
    return next(encode_all([document], tokenizer, window=window))


def encode_all(documents: Sequence[Document], tokenizer: PreTrainedTokenizerFast, *, window: int = WINDOW) -> Iterator[Encoded]:
    """``encode`` for many documents: the tokenizer's threads share the work."""
    if window < 16:
        raise ValueError(f"a window of {window} sub-words is too small: 16 at least")
    backend = tokenizer.backend_tokenizer
    before, behind = _frame(tokenizer)
    room = window - len(before) - len(behind)
    for document, encoding in zip(
        documents, backend.encode_batch([document.text for document in documents], add_special_tokens=False), strict=True
    ):
        spans = words(document.text)
        pieces = _pieces(spans, encoding.ids, encoding.offsets, tokenizer.unk_token_id)
        cuts = _cuts(document.text, spans)
        windows = []
        for owned, context in _layout([len(piece) for piece in pieces], cuts, room):
            ids = [piece for word in context for piece in pieces[word]][:room]
            owners = [word if word in owned else -1 for word in context for _ in pieces[word]][:room]
            windows.append(Window(before + ids + behind, [-1] * len(before) + owners + [-1] * len(behind)))
        yield Encoded(document, spans, windows)


def targets(encoded: Encoded) -> Targets:
    """The labels of an annotated document, with a count of the names and claims that they cannot give back exactly.

    Claims of a document whose roles are not annotated teach nothing. A word stands for one claim: a document of more
    claims than words cannot be held.
    """
    document, spans = encoded.document, encoded.words
    names, lost_entities = tag(spans, [(entity.span, entity.label) for entity in document.entities], NAME_TAGS)
    tagged, candidates = [], []
    for claim in document.claims:
        roles, unheld = tag(spans, [(span, role) for role in ROLES for span in claim.role(role)], ROLE_TAGS)
        tagged.append(roles)
        held = [] if unheld else [i for i, role in enumerate(roles) if role]
        possible = _anchors(document.text, spans, claim, roles) if held else ()
        candidates.append([i for i in possible if encoded.reach(i).start <= held[0] and held[-1] < encoded.reach(i).stop])
    claims: list[ClaimTarget] = []
    for claim, roles, anchor in zip(document.claims, tagged, _assigned(candidates), strict=True):
        if anchor is not None:
            reach = encoded.reach(anchor)
            attributes = SOURCE_TYPES.index(claim.source_type), STANCES.index(claim.stance)
            claims.append(ClaimTarget(anchor, roles[reach.start : reach.stop], *attributes))
    lost_claims = len(document.claims) - len(claims)
    return Targets(names, claims if "roles" in document.layers else [], lost_entities, lost_claims, document.layers)


def roles_of(encoded: Encoded, anchor: int, tags: Sequence[int]) -> dict[str, tuple[Span, ...]]:
    """The spans of every role from ROLE_TAGS indices over ``encoded.reach(anchor)``: the inverse of ``targets``."""
    offset = encoded.reach(anchor).start
    roles: dict[str, tuple[Span, ...]] = dict.fromkeys(ROLES, ())
    for first, behind, role in untag(tags, ROLE_TAGS):
        span = trim(encoded.document.text, encoded.words[offset + first].start, encoded.words[offset + behind - 1].end)
        if span is not None:
            roles[role] += (span,)
    return roles


def _pieces(spans: list[Span], ids: list[int], offsets: list[tuple[int, int]], unknown: int) -> list[list[int]]:
    """The sub-words of every word; a word that the tokenizer deletes or joins to another is one unknown sub-word."""
    pieces: list[list[int]] = [[] for _ in spans]
    word = 0
    for piece, (_, end) in zip(ids, offsets, strict=True):
        while word < len(spans) - 1 and spans[word + 1].start < end:
            word += 1
        if spans and len(pieces[word]) < PIECES:
            pieces[word].append(piece)
    return [piece or [unknown] for piece in pieces]


def _cuts(text: str, spans: list[Span]) -> set[int]:
    """The words that begin a sentence."""
    starts = [span.start for span in sentences(text)]
    numbers = [bisect_right(starts, span.start) for span in spans]
    return {i for i in range(1, len(spans)) if numbers[i] != numbers[i - 1]}


def _layout(sizes: list[int], cuts: set[int], room: int) -> Iterator[tuple[range, range]]:
    """(owned words, words with context) of every window: owned runs end at sentence ends where one lies in their second half."""
    if not sizes:
        return
    if sum(sizes) <= room:
        yield range(len(sizes)), range(len(sizes))
        return
    margin = room // 16
    start = 0
    while start < len(sizes):
        end, used = start, 0
        while end < len(sizes) and (end == start or used + sizes[end] <= room - 2 * margin):
            used += sizes[end]
            end += 1
        if end < len(sizes):
            end = max((cut for cut in cuts if (start + end) / 2 < cut <= end), default=end)
        used = sum(sizes[start:end])
        left = start
        while left > 0 and sum(sizes[left - 1 : start]) <= margin and used + sizes[left - 1] <= room:
            left -= 1
            used += sizes[left]
        right = end
        while right < len(sizes) and sum(sizes[end : right + 1]) <= margin and used + sizes[right] <= room:
            used += sizes[right]
            right += 1
        yield range(start, end), range(left, right)
        start = end


def _frame(tokenizer: PreTrainedTokenizerFast) -> tuple[list[int], list[int]]:
    """The special tokens before and behind a window."""
    example = tokenizer.backend_tokenizer.encode("و")
    inside = [i for i, special in enumerate(example.special_tokens_mask) if not special]
    return example.ids[: inside[0]], example.ids[inside[-1] + 1 :]


def _anchors(text: str, spans: list[Span], claim: Claim, roles: list[int]) -> Iterator[int]:
    """Words that may stand for a claim, best first: its cue; the colon or quotation mark before its content; its content; any."""
    cue, content = ROLE_TAGS.index("B-cue"), ROLE_TAGS.index("B-content")
    yield from (i for i, role in enumerate(roles) if role in (cue, cue + 1))
    if not claim.cue:
        first = next((i for i, role in enumerate(roles) if role == content), 0)
        before = [i for i in range(max(0, first - 3), first) if roles[i] == 0]
        yield from (i for i in before if spans[i].of(text) in ":؛-–—")
        yield from reversed(before)
    yield from (i for i, role in enumerate(roles) if role in (content, content + 1))
    yield from (i for i, role in enumerate(roles) if role not in (0, cue, cue + 1, content, content + 1))
    at = roles.index(content)
    yield from sorted((i for i, role in enumerate(roles) if role == 0), key=lambda i: abs(i - at))


def _assigned(candidates: list[list[int]]) -> list[int | None]:
    """A word of its own for every claim, the first free one of its candidates; where none is free, claims before it move on to
    others of theirs if that helps (augmenting paths, Kuhn 1955). None where nothing helps."""
    holder: dict[int, int] = {}

    def placed(claim: int, tried: set[int]) -> bool:
        free = next((word for word in candidates[claim] if word not in holder), None)
        if free is not None:
            holder[free] = claim
            return True
        for word in candidates[claim]:
            if word not in tried:
                tried.add(word)
                if placed(holder[word], tried):
                    holder[word] = claim
                    return True
        return False

    for claim in range(len(candidates)):
        placed(claim, set())
    anchors = {claim: word for word, claim in holder.items()}
    return [anchors.get(claim) for claim in range(len(candidates))]
