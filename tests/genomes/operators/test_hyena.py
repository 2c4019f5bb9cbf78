"""Gated convolutions as layouts name them."""

from genomes import Hyena, HyenaX, HyenaY, Scale, ShortConv, parse_layout


def test_layouts_name_the_family() -> None:
    layout = parse_layout("short_conv(128) hyena hyena(filter=3) hyena(horizon=256) hyena_x(7) hyena_y(64)")
    expected = (
        ShortConv(kernel=128),
        Hyena(),
        Hyena(filter_length=3),
        Hyena(horizon=256),
        HyenaX(kernel=7),
        HyenaY(kernel=64),
    )
    for scale in (Scale(width=64, head_dim=16), Scale(width=1024, head_dim=64)):
        assert layout.at(scale).blocks == expected
