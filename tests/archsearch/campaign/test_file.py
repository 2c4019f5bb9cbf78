"""The campaign file: what is accepted, what is refused and with which words."""

from pathlib import Path

import pytest
import yaml

from archsearch.campaign.file import load_campaign
from archsearch.launch import run
from genomes import InvalidInput, parse_layout
from support import ROOT, campaigns


@pytest.fixture
def file(tmp_path, text):
    return campaigns.write(tmp_path / "tiny.yaml", campaigns.tiny(text))


def refused(file: Path, *overrides: str) -> str:
    """The message that a campaign is refused with; `run` makes nothing."""
    out = file.parent / "refused"
    with pytest.raises(InvalidInput) as caught:
        run(load_campaign(file, overrides), out)
    assert not out.exists()
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_the_tiny_campaign_is_accepted(file):
    load_campaign(file).check()


def test_references_with_more_blocks_than_candidates_are_named(file):
    """One has its motif whole, however few blocks candidates have; others are cut to theirs."""
    names = "references=[transformer++, nemotron-h, lfm2]"
    assert load_campaign(file, [names, "space.blocks=8"]).deeper_references() == [
        "reference nemotron-h is trained with 13 blocks where candidates have at most 8"
    ]
    assert load_campaign(file, [names, "space.blocks=13"]).deeper_references() == []
    assert len(load_campaign(file, [names, "space.blocks=3"]).deeper_references()) == 2


def test_a_run_says_it_before_it_begins(file, tmp_path):
    said = []
    campaign = load_campaign(file, ["finalists={count: 1}"])  # which nothing can measure: refused right after
    with pytest.raises(InvalidInput, match="finalists"):
        run(campaign, tmp_path / "run", say=said.append)
    assert said == campaign.deeper_references() != []


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("buget={rungs: [5, 10]}", ["'buget'", "budget", "objectives"]),
        ("budget.rung=[5]", ["'budget.rung'", "rungs", "learning_rates"]),
        ("objectives.1.devise=l4", ["'objectives.1.devise'", "device", "context"]),
        ("search.population=many", ["search.population = 'many'", "integer"]),
        ("search.population=1", ["search.population = 1", "2"]),
        ("proxy.width='16'", ["proxy.width = '16'", "integer"]),
        ("seed=1_000", ["seed = '1_000'"]),
        ("seed=true", ["seed = True"]),
        ("seed='1'", ["seed = '1'"]),
        ("tasks.1.weight=.inf", ["tasks.1.weight = inf"]),
        ("tasks.1.weight=1e9", ["tasks.1.weight"]),
        ("budget.warmup_steps=999", ["warmup_steps 999 leave no step at the full rate"]),
        ("budget.timeout_s=.inf", ["budget.timeout_s = inf"]),
        ("budget.weight_decay=1e9", ["budget.weight_decay"]),
        ("budget.rungs=[5, 10000000000]", ["from 2 to 100000000"]),
        ("budget.learning_rates=[1e-3, 0.001]", ["at most 1, and differ"]),
        ("search.tournament=99999", ["search.tournament"]),
        ("proxy=null", ["proxy = None"]),
        ("objectives.1.at_most=0", ["objectives.1.at_most"]),
        ("objectives.1={metric: parameters, at_most: 1, at_least: 2}", ["at_least 2 is above at_most 1"]),
        ("tasks.0.path=null", ["path is empty"]),
        ("tasks=[{task: text}, {task: text, weight: 2}]", ["tasks.1 is tasks.0 again"]),
        ("seed=-1", ["seed = -1", "0"]),
        ("name=../up", ["name = '../up'"]),
        ("objectives.1={metric: decode_latency_s}", ["objectives.1", "needs a device", "this-machine"]),
        ("objectives.1.device=null", ["objectives.1", "decode_latency_s needs a device"]),
        ("objectives.1.device=no-such-phone", ["objectives.1.device", "no-such-phone", "raspberry-pi-5"]),
        ("objectives.1.device=no/such.yaml", ["objectives.1.device", "no/such.yaml"]),
        ("objectives.3.device=l4", ["objectives.3", "parameters does not depend on a device"]),
        ("objectives.1.dtype=int3", ["objectives.1.dtype = 'int3'", "float32"]),
        ("objectives.1.metric=speed", ["objectives.1.metric = 'speed'", "decode_latency_s"]),
        ("objectives.1.direction=up", ["objectives.1.direction = 'up'", "'min'"]),
        ("objectives=[{metric: parameters}]", ["objectives", "quality"]),
        ("objectives=[]", ["objectives"]),
        ("objectives.0.at_least=0.5", ["objectives.0", "quality", "at_least"]),
        ("objectives.0.direction=min", ["objectives.0", "max"]),
        ("proxy.head_dim=5", ["proxy", "head_dim 5 does not divide width 16"]),
        ("target.head_dim=48", ["target", "head_dim 48 does not divide width 64"]),
        ("proxy.head_dim=16", ["proxy scale", "attention(kv=1/2"]),
        ("target.head_dim=64", ["target scale", "attention(kv=1/2"]),
        ("proxy.blocks=4", ["proxy.blocks = 4", "space.blocks"]),
        ("space.blocks=1", ["space", "blocks = 1", "at least 2"]),
        ("space.blocks=2", ["space", "rules"]),
        ("space.preset=huge", ["space", "'huge'", "hybrid"]),
        ("space={preset: null}", ["space", "without a preset, classes and blocks"]),
        ("space.classes={a: [warp]}", ["space", "unknown operator 'warp'", "attention"]),
        ("space.classes={a: []}", ["space.classes.a = []", "at least 1"]),
        ("space.classes={a: [skip, skip]}", ["space", "class a", "repeated variants"]),
        ("space.classes={swiglu: ['swiglu(3)']}", ["space", "swiglu is one of hybrid already"]),
        ("space={preset: star, deploys_to: [vllm]}", ["space", "no runtime shares"]),
        ("space={preset: griffin, blocks: 3, deploys_to: [vllm]}", ["space", "holds nothing that vllm load"]),
        (
            "proxy.context=64",
            ["proxy.context = 64", "the proxy's context is budget.length = 32", "leave proxy.context out"],
        ),
        ("target.context=0", ["target.context = 0", "greater than or equal to 1"]),
        ("target.context=4", ["space at the target scale", "window = 1/8 of a context of 4 is 0 tokens"]),
        (
            "budget.length=24",
            [
                "budget.length = 24: class short_conv (short_conv(7)): kernel = 7 tokens with sequences of",
                "legal: at most 6 tokens, or a share of the context up to 1/4",
                "take at least 28 tokens",
            ],
        ),
        (
            "space.classes={far: ['hyena(filter=16)', 'attention(window=9)']}",
            [
                "class far (hyena(filter=16)): filter = 16 tokens with sequences of 32 tokens, the widest of",
                "take at least 64 tokens",
            ],
        ),
        (
            "space.classes={wide: ['attention(window=1/2)']}",
            [
                "class wide (attention(window=1/2)): window = 1/2 of the context",
                "up to 1/4; write a smaller one",
            ],
        ),
        (
            "space.classes={twin: ['attention(kv=1/4,window=4,qk_norm=yes)']}",
            [
                "space: class window_attention (attention(kv=1/4,window=1/8,qk_norm=yes)) and class twin",
                "one function at the proxy (attention heads=4 kv_heads=1 head_dim=4",
                "window=64 and attention",
                "sequences of 64 tokens tell them apart",
            ],
        ),
        (
            "space.classes={twin: ['swiglu(9/4)', 'swiglu(5/2)']}",
            [
                "class twin (swiglu(9/4))",
                "(swiglu hidden=48) and two at the target (swiglu hidden=",
                "a proxy of width 32 tells them apart",
            ],
        ),
        ("space.deploys_to=[tpu]", ["space.deploys_to", "tpu", "llama.cpp"]),
        ("references=[gpt-5]", ["references.0", "'gpt-5'", "transformer++", "lfm2"]),
        ("references=[lfm2, lfm2]", ["references", "twice"]),
        ("references=[]", ["references"]),
        (
            "references=[lfm2, llama]",
            ["references = [", "llama", "(these are 2)", "3 names or more", "add some"],
        ),
        ("tasks.1.task=sorting", ["tasks.1", "'sorting'", "in-context-recall", "text"]),
        ("tasks.1.task=3", ["tasks.1.task = 3", "string"]),
        ("tasks.1.vocabulary=16", ["tasks.1", "'vocabulary'", "vocab_size"]),
        ("tasks.1.vocab_size=some", ["tasks.1", "vocab_size", "some"]),
        ("tasks.1.settings=16", ["tasks.1.settings = 16"]),
        ("tasks.0.weight=0", ["tasks.0.weight = 0", "greater than 0"]),
        ("tasks.0.path=no/such/folder", ["tasks.0", "no/such/folder", "does not exist"]),
        ("budget.rungs=[10, 5]", ["budget.rungs = [10, 5]", "larger"]),
        ("budget.rungs=[5, 5]", ["budget.rungs = [5, 5]", "larger"]),
        ("budget.rungs=[1]", ["budget.rungs = [1]", "2"]),
        ("budget.rungs=[2]", ["budget", "decay_fraction"]),
        ("budget.learning_rates=[0.0]", ["budget.learning_rates = [0.0]", "above 0"]),
        ("budget.learning_rates=[0.1, 0.1]", ["budget.learning_rates", "differ"]),
        ("budget.learning_rates=[0.1]", ["budget.learning_rates = [0.1]", "2 rates or more", "add rates"]),
        ("budget.reference_seeds=2", ["budget.reference_seeds = 2", "3"]),
        ("budget.final_seeds=0", ["budget.final_seeds = 0", "1"]),
        ("budget.length=1", ["budget.length = 1", "2"]),
        ("budget.platform=abacus", ["budget.platform = 'abacus'", "'cpu'"]),
        ("search.elites=3", ["search", "elites 3", "population of 3"]),
        ("search.algorithm=luck", ["search.algorithm = 'luck'", "nsga2"]),
        ("search.mutation=2", ["search.mutation = 2", "1"]),
    ],
)
def test_a_bad_value_is_refused_by_key_with_what_is_legal(file, override, said):
    message = refused(file, override)
    assert [words for words in said if words not in message] == [], message


def test_a_bad_file_is_named_in_the_message(file):
    assert str(file) in refused(file, "seed=-1")


def test_a_missing_key_is_named(file, text):
    data = campaigns.tiny(text)
    for key in ("name", "target", "objectives", "tasks", "references"):
        message = refused(campaigns.write(file, {k: v for k, v in data.items() if k != key}))
        assert f"{key} is missing" in message


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"name: [", "not a YAML file"),
        (b"\xff\xfe\x00", "not a file of UTF-8 text"),
        (b"- a\n- b\n", "found list"),
        (b"", "found NoneType"),
    ],
)
def test_what_is_no_campaign_file_is_refused(tmp_path, content, said):
    path = tmp_path / "bad.yaml"
    path.write_bytes(content)
    message = refused(path)
    assert str(path) in message
    assert said in message


def test_a_missing_file_and_a_folder_are_refused(tmp_path):
    assert "No such file" in refused(tmp_path / "none.yaml")
    assert "directory" in refused(tmp_path)


def test_text_that_cannot_be_read_is_refused(file, tmp_path):
    (tmp_path / "empty").mkdir()
    binary = tmp_path / "binary"
    binary.mkdir()
    (binary / "a.bin").write_bytes(bytes(range(256)) * 50)
    short = tmp_path / "short.txt"
    short.write_text("too short", encoding="utf-8")
    assert "without files" in refused(file, f"tasks.0.path={tmp_path / 'empty'}")
    assert "holds no text" in refused(file, f"tasks.0.path={binary}")
    assert "not text" in refused(file, f"tasks.0.path={binary / 'a.bin'}")
    assert "too little text" in refused(file, f"tasks.0.path={short}")


@pytest.mark.parametrize(
    "cases",
    [
        [{"metric": "quality"}, {"metric": "quality", "direction": "max"}],
        [{"metric": "parameters"}, {"metric": "parameters", "direction": "min", "at_most": 1e6}],
        [{"metric": "parameters"}, {"metric": "parameters", "context": 4096}],
        [{"metric": "state_bytes", "context": 9}, {"metric": "state_bytes", "context": 9, "at_most": 1e6}],
        [
            {"metric": "decode_latency_s", "device": "l4"},
            {"metric": "decode_latency_s", "device": "l4", "direction": "min"},
        ],
    ],
)
def test_two_objectives_of_one_name_are_refused(file, text, cases):
    data = campaigns.tiny(text)
    data["objectives"] = [{"metric": "quality"}] * (cases[0]["metric"] != "quality") + cases
    message = refused(campaigns.write(file, data))
    assert "objectives" in message
    assert "twice" in message


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("seed", "key=value"),
        ("=3", "key=value"),
        ("seed=[", "not a YAML value"),
        ("seed=", "the value is empty; write null for none"),
        ("tasks.7.weight=1", "'7' is no index of a list of 2"),
        ("tasks.first.weight=1", "'first' is no index"),
        ("tasks.²=1", "is no index"),
        ("tasks.-1.weight=1", "'-1' is no index"),
        ("seed.deep=1", "inside a plain value"),
        ("seed.very.deep=1", "inside a plain value"),
    ],
)
def test_a_bad_override_is_refused(file, override, said):
    message = refused(file, override)
    assert f"--set {override}" in message
    assert said in message


def test_overrides_reach_any_key_in_order(file):
    campaign = load_campaign(
        file, ["seed=2", "budget.rungs=[7, 9]", "tasks.1.weight=0.5", "search.mutation=0.3"]
    )
    assert (campaign.seed, campaign.budget.rungs, campaign.search.mutation) == (2, [7, 9], 0.3)
    assert [task.weight for task in campaign.tasks] == [2.0, 0.5]
    assert campaign.budget.batch == 4


def test_the_resolved_file_reads_back_equal_and_says_every_key(file, tmp_path):
    campaign = load_campaign(file)
    resolved = tmp_path / "resolved.yaml"
    resolved.write_text(campaign.to_yaml(), encoding="utf-8")
    assert load_campaign(resolved) == campaign
    written = yaml.safe_load(resolved.read_text(encoding="utf-8"))
    assert set(written) == set(type(campaign).model_fields)
    assert set(written["budget"]) == set(type(campaign.budget).model_fields)


def test_shares_of_the_context_are_those_of_the_length_and_of_the_first_objective(file):
    campaign = load_campaign(file)
    assert (campaign.proxy.context, campaign.target.context) == (32, 512)
    longer = load_campaign(file, ["budget.length=64", "target.context=2048"])
    assert (longer.proxy.context, longer.target.context) == (64, 2048)
    plain = load_campaign(file, ["objectives=[{metric: quality}, {metric: parameters}]"])
    assert plain.target.context == 4096
    for each in (campaign, longer):
        window = parse_layout("attention(window=1/4)")
        trained, priced = each.trained(window).blocks[0].window, each.priced(window).blocks[0].window
        assert (4 * trained, 4 * priced) == (each.proxy.context, each.target.context)


def test_a_resolved_file_says_the_length_once(file, tmp_path):
    resolved = tmp_path / "resolved.yaml"
    resolved.write_text(load_campaign(file).to_yaml(), encoding="utf-8")
    assert load_campaign(resolved, ["budget.length=128"]).proxy.context == 128
    assert yaml.safe_load(resolved.read_text(encoding="utf-8"))["target"]["context"] == 512


def test_two_names_of_one_function_are_one_class_to_a_campaign(file):
    campaign = load_campaign(file, ["space.classes={edge: ['hyena_y(3)']}"])
    campaign.check()
    one, other = parse_layout("hyena_y(3) swiglu(4)"), parse_layout("short_conv(3) swiglu(4)")
    assert campaign.trained(one).fingerprint == campaign.trained(other).fingerprint
    assert campaign.priced(one).fingerprint == campaign.priced(other).fingerprint


EXAMPLES = [
    path
    for path in sorted(ROOT.joinpath("examples").glob("*.yaml"))
    if "objectives" in yaml.safe_load(path.read_text(encoding="utf-8"))  # others are device files
]


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_the_examples_read(path):
    campaign = load_campaign(path)
    campaign.search_space.check_scale(campaign.target)
    assert campaign.target.repeat == "stack"


def test_relative_paths_of_tasks_become_absolute(file, text, monkeypatch):
    monkeypatch.chdir(text.parent)
    for relative in (text.name, f"{text.name}/*.txt"):
        campaign = load_campaign(file, [f"tasks.0.path={relative}"])
        assert campaign.tasks[0].settings["path"] == str(text.parent / relative)
        campaign.check()


def test_a_task_used_twice_is_numbered(file):
    one, other = "{task: in-context-recall, vocab_size: 16}", "{task: in-context-recall, vocab_size: 8}"
    campaign = load_campaign(file, [f"tasks=[{one}, {{task: compression}}, {other}]"])
    names = [campaign.task_name(i) for i in range(3)]
    assert names == ["in-context-recall-1", "compression", "in-context-recall-2"]
