"""New tokenizers trained on text, deterministic to the last number."""

from __future__ import annotations

import io
import itertools
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Literal

import tokenizers
from tokenizers import decoders, models, normalizers, pre_tokenizers, processors, trainers

from jaxheads.data.tokens import Tokenizer, wrap_pipeline

BPE_SPECIAL = ("<s>", "<pad>", "</s>", "<unk>", "<mask>")  # tokens 0 to 4, RoBERTa's order
LONGEST = 16  # characters of a word, sentencepiece's own limit for a piece
UNIGRAM_SPECIAL = ("<pad>", "<unk>", "[CLS]", "[SEP]", "[MASK]")  # tokens 0 to 4, ALBERT's


def train_tokenizer(
    texts: Iterable[str], *, vocab_size: int, kind: Literal["bpe", "unigram"] = "bpe"
) -> Tokenizer:
    """Train RoBERTa's kind of tokenizer (byte-level BPE) or ALBERT's (lower-cased unigram).

    The vocabulary may come out smaller than `vocab_size` where the text does not yield so many
    pieces. Special tokens that stand in the text are not learnt from.

    Raises:
      ValueError: for an unknown kind, a size below all bytes (BPE), or a text that yields no
        vocabulary.
    """
    if kind not in TRAINERS:
        raise ValueError(f"kind: expected one of {', '.join(TRAINERS)}, got {kind!r}")
    return wrap_pipeline(TRAINERS[kind](texts, vocab_size), {}, f"the trained {kind} tokenizer")


def _train_bpe(texts: Iterable[str], vocab_size: int) -> tokenizers.Tokenizer:
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    least = len(alphabet) + len(BPE_SPECIAL)
    if vocab_size < least:
        raise ValueError(f"vocab_size: expected at least {least} (all bytes), got {vocab_size}")
    pipeline = tokenizers.Tokenizer(models.BPE())
    pipeline.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    pipeline.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        min_frequency=2,
        special_tokens=[_special(name) for name in BPE_SPECIAL],
        initial_alphabet=sorted(alphabet),
        show_progress=False,
    )
    pipeline.train_from_iterator(_without(BPE_SPECIAL, texts), trainer)
    pipeline.post_processor = processors.RobertaProcessing(
        ("</s>", 2), ("<s>", 0), trim_offsets=True, add_prefix_space=False
    )
    return pipeline


def _train_unigram(texts: Iterable[str], vocab_size: int) -> tokenizers.Tokenizer:
    """Train with sentencepiece on one thread: the trainer of `tokenizers` differs by the run.

    It proposes only pieces that occur in several different words. Where that is too few, as in a
    text of some hundred words, every part of a word is proposed, the whole word included.
    """
    normalizer = normalizers.Sequence(
        [
            normalizers.Replace("``", '"'),
            normalizers.Replace("''", '"'),
            normalizers.NFKD(),
            normalizers.StripAccents(),
            normalizers.Lowercase(),
        ]
    )
    learnt_from = [
        " ".join(normalizer.normalize_str(text).split())
        for text in _without(UNIGRAM_SPECIAL, texts)
    ]
    pieces = _pieces(learnt_from, vocab_size)
    if pieces.get_piece_size() < vocab_size:
        with tempfile.NamedTemporaryFile("w", suffix=".tsv", encoding="utf-8") as file:
            file.writelines(f"{part}\t{count}\n" for part, count in _parts(learnt_from).items())
            file.flush()
            pieces = _pieces(learnt_from, vocab_size, seed_sentencepieces_file=file.name)
    return _unigram(pieces, normalizer)


def _parts(texts: Iterable[str]) -> Counter[str]:
    """Every part of every word, of two characters at least, by how often it occurs."""
    words = Counter(f"▁{word}" for text in texts for word in text.split())
    found: Counter[str] = Counter()
    for word, count in words.items():
        for start, end in itertools.combinations(range(min(len(word), LONGEST) + 1), 2):
            if end - start > 1:
                found[word[start:end]] += count
    return found


def _pieces(texts: Iterable[str], vocab_size: int, **more: Any):
    """Sentencepiece's processor, trained."""
    import sentencepiece

    model = io.BytesIO()
    try:
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=(text for text in texts if text),
            model_writer=model,
            model_type="unigram",
            vocab_size=vocab_size,
            hard_vocab_limit=False,
            num_threads=1,
            max_sentence_length=1 << 20,  # bytes; longer ones would be passed over in silence
            normalization_rule_name="identity",
            pad_id=0,
            unk_id=1,
            bos_id=-1,
            eos_id=-1,
            control_symbols=list(UNIGRAM_SPECIAL[2:]),
            minloglevel=2,
            **more,
        )
    except RuntimeError as error:
        reason = " ".join(str(error).split())
        raise ValueError(f"cannot train {vocab_size} pieces on this text: {reason}") from error
    return sentencepiece.SentencePieceProcessor(model_proto=model.getvalue())


def _unigram(pieces, normalizer: normalizers.Normalizer) -> tokenizers.Tokenizer:
    """Put sentencepiece's pieces and scores into ALBERT's pipeline."""
    count = pieces.get_piece_size()
    scores = [(pieces.id_to_piece(each), pieces.get_score(each)) for each in range(count)]
    pipeline = tokenizers.Tokenizer(models.Unigram(scores, unk_id=1, byte_fallback=False))
    pipeline.normalizer = normalizer
    metaspace = pre_tokenizers.Metaspace(prepend_scheme="always")
    pipeline.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), metaspace])
    pipeline.decoder = decoders.Metaspace(prepend_scheme="always")
    pipeline.post_processor = processors.TemplateProcessing(
        single="[CLS]:0 $A:0 [SEP]:0",
        pair="[CLS]:0 $A:0 [SEP]:0 $B:1 [SEP]:1",
        special_tokens=[("[CLS]", 2), ("[SEP]", 3)],
    )
    pipeline.add_special_tokens([_special(name) for name in UNIGRAM_SPECIAL])
    return pipeline


def _special(name: str) -> tokenizers.AddedToken:
    """A special token; the mask takes the space before it, as the published tokenizers have it."""
    return tokenizers.AddedToken(name, lstrip=name in ("<mask>", "[MASK]"), normalized=False)


def _without(special: tuple[str, ...], texts: Iterable[str]) -> Iterator[str]:
    for text in texts:
        kept = text
        for name in special:
            kept = kept.replace(name, " ")
        yield kept


TRAINERS: dict[str, Callable[[Iterable[str], int], tokenizers.Tokenizer]] = {
    "bpe": _train_bpe,
    "unigram": _train_unigram,
}
