"""The run directory: what is written into it reads back."""

from archsearch.campaign.directory import RunDirectory
from hardware_profiles.measuring.this_machine import resolve_device
from support import campaigns


def test_devices_of_one_file_name_keep_their_own_profiles(text, tmp_path):
    campaign = campaigns.load(tmp_path, campaigns.tiny(text))
    devices = {}
    for folder, name in (("a", "raspberry-pi-5"), ("b", "l4")):
        place = tmp_path / folder / "mine.yaml"
        place.parent.mkdir()
        place.write_text(resolve_device(name).to_yaml(), encoding="utf-8")
        devices[str(place)] = resolve_device(place)
    directory = RunDirectory(tmp_path / "run")
    directory.create(campaign, devices)
    assert {key: device.name for key, device in directory.devices().items()} == {
        str(tmp_path / "a" / "mine.yaml"): "raspberry-pi-5",
        str(tmp_path / "b" / "mine.yaml"): "l4",
    }
