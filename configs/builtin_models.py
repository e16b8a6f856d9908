"""The two models that come with the package, pre-trained on the built-in language.

Command: `jaxheads study configs/builtin_models.py`; the folders `float16/roberta` and
`float16/albert` of what it leaves are `jaxheads/assets`. 384 and 301 s of training on 2 CPU cores
that others used too (AMD EPYC, float32, jax 0.10.2), 1 minute of counting neighbours for each.

Method: 150,000 sentences of the language (seed 0), packed into blocks of 48 tokens; masked LM
(15%, 80/10/10), new masks in every epoch; 4 layers x 4 heads, D = 64; AdamW at 2e-3, one seed.
Sizes and settings are ours. RoBERTa has a byte-level BPE of 992 tokens, ALBERT (its layers share
one set of heads) a unigram of 413; both have a token for every word.

Numbers: 256 blocks of the language's validation split, no sentence of which is in the training
split. Guesses know the true neighbours of a token, of which the model finds some masked, and were
counted on 20,000 blocks.

                                      RoBERTa    ALBERT
    masked-LM accuracy                  0.370     0.363
    most frequent token                 0.093     0.119
    best guess from the left            0.238     0.237
    best guess from the right           0.211     0.254
    best guess from both sides          0.300     0.300
    masked-LM loss, nats                2.571     2.676
    entropy of the held-out targets     4.828     4.603

Stored in float16 (0.6 and 0.2 MB with the tokenizers) they have the same accuracy.
"""

from jaxheads.config import OptimizerConfig, TrainingConfig
from jaxheads.models.checkpoint.families import encoder_config
from jaxheads.studies.settings import ModelSettings, Pretrain, Run, TextSettings

PRETRAIN = TrainingConfig(
    steps=6000,
    batch_size=24,
    dropout=0.0,
    save_every=500,
    optimizer=OptimizerConfig(learning_rate=2e-3, warmup=0.1, weight_decay=0.01, beta2=0.98),
)
SIZES = {
    "vocab_size": 1000,
    "hidden_size": 64,
    "num_layers": 4,
    "num_heads": 4,
    "intermediate_size": 256,
    "max_positions": 66,
    "initializer_range": 0.1,  # of so narrow a model; 0.02 took longer to leave word frequencies
}
ROBERTA = encoder_config("roberta", **SIZES, type_vocab_size=1, norm_eps=1e-5, pad_token_id=1)
ALBERT = encoder_config("albert", **SIZES, type_vocab_size=2, embedding_size=64, hidden_groups=1)

RUN = Run(
    study=Pretrain(),
    name="builtin_models",
    models=(
        ModelSettings("roberta", encoder=ROBERTA, pretrain=PRETRAIN),
        ModelSettings("albert", encoder=ALBERT, pretrain=PRETRAIN),
    ),
    text=TextSettings("grammar_mlm", length=48, paragraphs=150_000, vocabulary=20_000),
    devices=1,
)
