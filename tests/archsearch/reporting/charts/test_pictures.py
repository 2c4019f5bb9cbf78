"""The pictures of a report: one for each pair of objectives and two more."""

from dataclasses import replace

from matplotlib.image import imread

from archsearch.reporting.charts.pictures import all_pictures
from support import report_cases as cases


def test_a_picture_for_every_pair_and_two_more(report):
    names = {path.name for path in report.glob("*.png")}
    assert names == {
        "front-quality-decode_latency_s.png",
        "front-quality-peak_memory_bytes.png",
        "front-decode_latency_s-peak_memory_bytes.png",
        "hypervolume.png",
        "patterns.png",
    }
    for name in names:
        height, width = imread(report / name).shape[:2]
        assert 900 < width < 6000 and 500 < height < 6000, name
        assert imread(report / name)[..., :3].std() > 0.02, f"{name} is blank"


def test_two_objectives_of_one_metric_have_their_own_pictures(results):
    other = replace(cases.LATENCY, device="raspberry-pi-5", context=1024)
    slugs = [p.slug for p in all_pictures(replace(results, objectives=(*results.objectives, other)))]
    assert len(set(slugs)) == len(slugs) == 6 + 2
    assert "front-decode_latency_s-this-machine-4096-1-float32-peak_memory_bytes" in slugs
