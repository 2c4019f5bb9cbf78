"""What a worker process is started with."""

import pytest

from archsearch.executors.worker import allocator


def test_a_worker_keeps_memory_and_the_users_own_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GLIBC_TUNABLES", raising=False)
    ours = allocator()["GLIBC_TUNABLES"].split(":")
    assert {"glibc.malloc.hugetlb=1", "glibc.malloc.mmap_max=0"} <= set(ours)
    monkeypatch.setenv("GLIBC_TUNABLES", "glibc.malloc.hugetlb=0:glibc.malloc.perturb=1")
    found = allocator()["GLIBC_TUNABLES"].split(":")
    assert found[:2] == ["glibc.malloc.hugetlb=0", "glibc.malloc.perturb=1"]
    assert len(found) == len(ours) + 1 and "glibc.malloc.hugetlb=1" not in found
